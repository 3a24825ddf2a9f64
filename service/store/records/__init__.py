"""What jobs record, written and read by the thousand."""
