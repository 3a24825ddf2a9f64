"""The calls, one module per noun."""
