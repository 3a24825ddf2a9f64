"""Slope against its peers: `python -m benchmarks [loop] [job] [polls]`. Each comparison is a ratio within one run."""
