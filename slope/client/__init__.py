"""Clients of the service's HTTP API, for programs and notebooks."""

from typing import TYPE_CHECKING, Any

from slope.client.client import Client
from slope.client.job import AsyncJob, Job
from slope.client.problem import InvalidRequest, JobFailed, Problem, UnexpectedAnswer

if TYPE_CHECKING:
    from slope.client.async_client import AsyncClient

__all__ = ["AsyncClient", "AsyncJob", "Client", "InvalidRequest", "Job", "JobFailed", "Problem", "UnexpectedAnswer"]


def __getattr__(name: str) -> Any:
    """The asynchronous client is loaded when it is asked for: asyncio is a sixth of what the other takes to load."""
    if name != "AsyncClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from slope.client.async_client import AsyncClient

    return AsyncClient
