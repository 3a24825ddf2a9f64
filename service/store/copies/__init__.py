"""Whole tables as Arrow: read as they are at one moment, and written into either kind of database."""
