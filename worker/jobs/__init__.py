"""Jobs that train: an attempt at each, what is recorded of it, and what comes out."""
