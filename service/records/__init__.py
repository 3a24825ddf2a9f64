"""What a job recorded."""
