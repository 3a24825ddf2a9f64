"""What the `slope` command starts."""
