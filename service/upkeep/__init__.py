"""What keeps the service in order: lost jobs, garbage, the doctor."""
