"""Loops that are compiled: NumPy has no word for a step that needs the one before.

Compiled for the processor at hand when they are called first, and kept in numba's cache (NUMBA_CACHE_DIR, or beside
these files, or in the user's cache folder): later processes load them in a fraction of a second. Where no folder can
be written to, each process compiles for itself.
"""
