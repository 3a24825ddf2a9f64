"""The HTTP process, and what it shares with the worker: settings, errors, the store and the queue."""
