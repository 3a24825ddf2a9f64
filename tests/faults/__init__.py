"""Whole services under faults: what is killed, stopped, emptied and cut, and what the records look like afterwards."""
