"""Bodies of requests: their limit, their coding, and JSON that is read outside the event loop."""
