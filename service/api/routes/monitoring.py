"""What Prometheus scrapes."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from service.api.dependencies import DatabaseDep
from service.api.guards.observation import BOUNDS, RequestTimes
from service.monitoring import families
from service.monitoring.state import State, Value
from service.store.database import Database
from slope import __version__

router = APIRouter(tags=["health"])

_TEXT = {"text/plain": {"schema": {"type": "string"}}, "application/openmetrics-text": {"schema": {"type": "string"}}}


@router.get("/metrics", response_class=Response, responses={200: {"content": _TEXT}})
def get_metrics(
    request: Request, database: DatabaseDep, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """What Prometheus scrapes: requests of this process, jobs and workers of the whole service."""
    from service.monitoring.exposition import write_metrics  # 40 ms that most processes do without

    state: State = request.app.state.monitored
    times: RequestTimes = request.app.state.request_times
    histograms = (
        ((method, route, f"{status}xx"), counts, times.seconds[method, route, status])
        for (method, route, status), counts in list(times.counts.items())
    )
    text, media_type = write_metrics([*_of_process(times, database), *state.values()], histograms, BOUNDS, accept)
    return Response(text, headers={"Content-Type": media_type})


def _of_process(times: RequestTimes, database: Database) -> Iterator[Value]:
    in_use, most = database.whole.connections
    yield families.IN_PROGRESS, (), times.in_progress
    yield families.CONNECTIONS, (), in_use
    yield families.MOST_CONNECTIONS, (), most
    yield families.VERSION, (__version__,), 1
