"""Bodies of requests: their limit, their coding, and JSON that is read beside the event loop."""
