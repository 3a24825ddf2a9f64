"""What the calls answer, one module per noun."""
