"""Waiting for jobs to change: answers that are kept, and streams of events."""
