"""Owners: their keys, what they have, and whose turn it is."""
