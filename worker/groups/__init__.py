"""Jobs of a sweep that train together: an attempt at a group, its progress, and what is recorded of it."""
