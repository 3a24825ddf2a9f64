"""HTTP: the only place that imports FastAPI."""
