"""Answers made from what the database has, one module per noun. What they are is in slope.answers."""
