"""Clients of the service's HTTP API, for programs and notebooks."""

from slope.client.async_client import AsyncClient
from slope.client.client import Client
from slope.client.problem import InvalidRequest, Problem

__all__ = ["AsyncClient", "Client", "InvalidRequest", "Problem"]
