"""Requests that may look at much and cost their client little: few at a time, so that all others find threads and
connections to the database free. Long computations take turns instead (`service.api.turns`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter
from fastapi import Depends, Request

from service.errors import TooBusy

_WAITING_FOR_EACH = 8
"""Requests that wait, for each that is at work: they are answered within seconds, or refused immediately."""


class Lane:
    """Places for requests, some at work and some that wait."""

    def __init__(self, places: int) -> None:
        self._places = CapacityLimiter(places)
        self._most = places * (1 + _WAITING_FOR_EACH)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises TooBusy where too many wait."""
        seen = self._places.statistics()
        if seen.borrowed_tokens + seen.tasks_waiting >= self._most:
            raise TooBusy(self._most)
        guest = object()  # one task may have several places
        await self._places.acquire_on_behalf_of(guest)
        try:
            yield
        finally:
            self._places.release_on_behalf_of(guest)


@dataclass(frozen=True)
class Lanes:
    """Of one process."""

    searches: Lane
    reports: Lane
    """Of their own: a report asks the service for searches."""


async def _lanes(request: Request) -> Lanes:
    lanes: Lanes = request.app.state.lanes
    return lanes


LanesDep = Annotated[Lanes, Depends(_lanes)]


def looks_at_much(*parameters: str, lane: Literal["searches", "reports"] = "searches") -> Any:
    """A dependency of a route that may look at much: where one of these is in its query, or, without any, always.

    It has its place when the body has been read, and until the answer begins to be sent.
    """

    async def place(request: Request) -> AsyncIterator[None]:
        if parameters and not is_asked(request, *parameters):
            yield
            return
        chosen: Lane = getattr(request.app.state.lanes, lane)
        async with chosen.place():
            yield

    return Depends(place, scope="function")


def is_asked(request: Request, *parameters: str) -> bool:
    """Whether one of the parameters is in the query, or one of its family, as `metadata[key]` is."""
    return any(name.partition("[")[0] in parameters for name in request.query_params)
