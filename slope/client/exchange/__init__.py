"""How calls are made: where the service is, what is sent and read, and what is done while it is away."""
