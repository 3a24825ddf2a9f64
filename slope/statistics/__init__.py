"""The statistics of a job's exact solution: how sure it is, and which rows hold it. NumPy and SciPy."""
