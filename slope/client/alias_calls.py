"""Every call about aliases of jobs, said once for both clients."""

from slope.client.exchange import Call, Listing, Request, request_json
from slope.client.problem import Json, checked


def put_alias(name: str, job_id: str) -> Call[Json]:
    """Let a name stand for a job, whatever it stood for: it may take the place of the job's id in every call."""
    return request_json("PUT", f"/v1/aliases/{name}", json={"job": job_id})


def aliases() -> Listing:
    """All aliases by name, page by page."""
    return Listing("/v1/aliases")


def delete_alias(name: str) -> Call[None]:
    """Let a name stand for nothing. The job stays."""
    checked((yield Request("DELETE", f"/v1/aliases/{name}")))
