"""A client of the service's HTTP API, for programs and notebooks."""

from slope.client.client import Client, Problem

__all__ = ["Client", "Problem"]
