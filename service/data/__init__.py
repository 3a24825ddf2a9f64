"""Datasets: kept, read, and offered to jobs."""
