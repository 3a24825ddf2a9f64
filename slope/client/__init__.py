"""Clients of the service's HTTP API, for programs and notebooks."""

from slope.client.async_client import AsyncClient
from slope.client.client import Client
from slope.client.job import AsyncJob, Job
from slope.client.problem import InvalidRequest, JobFailed, Problem, UnexpectedAnswer

__all__ = ["AsyncClient", "AsyncJob", "Client", "InvalidRequest", "Job", "JobFailed", "Problem", "UnexpectedAnswer"]
