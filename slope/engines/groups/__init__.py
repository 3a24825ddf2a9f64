"""Settings of a sweep that train together: which of them, and how."""
