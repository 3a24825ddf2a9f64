"""Every call about aliases of jobs, said once for both clients."""

from slope.answers.aliases import AliasView
from slope.client.exchange.exchange import Call, Id, Listing, change, send


def put_alias(name: str, job_id: Id) -> Call[AliasView]:
    """Let a name stand for a job, whatever it stood for: it may take the place of the job's id in every call."""
    return change(AliasView, "PUT", f"/v1/aliases/{name}", json={"job": job_id})


def aliases() -> Listing[AliasView]:
    """All aliases by name, page by page."""
    return Listing.of(AliasView, "/v1/aliases")


def delete_alias(name: str) -> Call[None]:
    """Let a name stand for nothing. The job stays."""
    return send("DELETE", f"/v1/aliases/{name}")
