"""What routes ask for: the process's database, queue and settings, and the parts of a request that many share."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, ParamSpec, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from sqlalchemy.orm import Session
from starlette.types import Scope

from service.access.callers import ANYBODY, Caller
from service.api.polling.feeds import Feeds
from service.api.polling.responses import JobResponses
from service.api.polling.watch import JobWatch
from service.api.turns import Turns
from service.charts import Charts
from service.errors import UnsupportedMediaType
from service.queue import Queue
from service.settings import Settings
from service.statistics.fits import Fits
from service.statistics.surfaces import Surfaces
from service.storage import Storage
from service.store.database import Database

MAX_WAIT = 60.0
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

# Dependencies that wait for nothing are `async`: FastAPI sends the others through a thread, 0.1 ms each.


def caller_of(scope: Scope) -> Caller:
    """Who asks, as the guard at the door has found; anybody, where there is none."""
    caller: Caller = scope.get("state", {}).get("caller", ANYBODY)
    return caller


async def _caller(request: Request) -> Caller:
    return caller_of(request.scope)


CallerDep = Annotated[Caller, Depends(_caller)]


def database_for(request: Request) -> Database:
    """As the caller may see it."""
    database: Database = request.app.state.database
    caller = caller_of(request.scope)
    return database.of_owner(caller.owner, sees_all=caller.sees_all)


async def _database(request: Request) -> Database:
    return database_for(request)


async def _storage(request: Request) -> Storage:
    storage: Storage = request.app.state.storage
    return storage


async def _queue(request: Request) -> Queue:
    queue: Queue = request.app.state.queue
    return queue


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _watch(request: Request) -> JobWatch:
    watch: JobWatch = request.app.state.watch
    return watch


def responses_for(request: Request) -> JobResponses:
    """Of the jobs that the caller may see."""
    responses: JobResponses = request.app.state.job_responses
    caller = caller_of(request.scope)
    return responses if caller.sees_all else responses.of_owner(caller.owner)


async def _job_responses(request: Request) -> JobResponses:
    return responses_for(request)


class Turn:
    """Takes turns for a request, and gives its work up when its client has gone."""

    def __init__(self, turns: Turns, request: Request) -> None:
        self._turns = turns
        self._request = request

    async def __call__(
        self, work: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Answer:
        """What the work gives. Raises TooBusy and ClientGone."""
        return await self._turns.take(self._leaving, work, *arguments, **named)

    def each(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks of an answer that has begun."""
        return self._turns.each(self._leaving, chunks)

    async def _leaving(self) -> None:
        """The body has been read, or there is none: all that can still come is the end."""
        while (await self._request.receive())["type"] != "http.disconnect":
            pass


async def _feeds(request: Request) -> Feeds:
    feeds: Feeds = request.app.state.feeds
    return feeds


async def _turn(request: Request) -> Turn:
    return Turn(request.app.state.turns, request)


DatabaseDep = Annotated[Database, Depends(_database)]
StorageDep = Annotated[Storage, Depends(_storage)]
QueueDep = Annotated[Queue, Depends(_queue)]
SettingsDep = Annotated[Settings, Depends(_settings)]
WatchDep = Annotated[JobWatch, Depends(_watch)]
FeedsDep = Annotated[Feeds, Depends(_feeds)]
JobResponsesDep = Annotated[JobResponses, Depends(_job_responses)]
TurnDep = Annotated[Turn, Depends(_turn)]


async def _fits(database: DatabaseDep, storage: StorageDep, queue: QueueDep, settings: SettingsDep) -> Fits:
    return Fits(database, storage, queue, settings)


FitsDep = Annotated[Fits, Depends(_fits)]


def _session(database: DatabaseDep) -> Iterator[Session]:
    with database.reading() as session:
        yield session


SessionDep = Annotated[Session, Depends(_session, scope="function")]
"""A session to read with."""


async def require_json(request: Request) -> None:
    """Refuse a body that does not say it is JSON."""
    if not is_json(request):
        raise UnsupportedMediaType(f"The body is {_kind(request) or 'of no named type'}: send application/json")


def is_json(request: Request) -> bool:
    kind = _kind(request)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def wait_seconds(prefer: str | None) -> float:
    """Seconds the client would wait for its answer (RFC 7240); a preference that makes no sense is ignored."""
    found = _WAIT.search(prefer) if prefer else None
    return min(float(found[1]), MAX_WAIT) if found else 0.0


async def _wait(prefer: Annotated[str | None, Header()] = None) -> float:
    return wait_seconds(prefer)


WaitDep = Annotated[float, Depends(_wait)]

MAX_LIMIT = 1000
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items on the page")]
After = Annotated[UUID | None, Query(description="The `next` of the page before")]


async def _surfaces(database: DatabaseDep, storage: StorageDep, queue: QueueDep, settings: SettingsDep) -> Surfaces:
    return Surfaces(database, storage, queue, settings)


SurfacesDep = Annotated[Surfaces, Depends(_surfaces)]


async def _charts(database: DatabaseDep, storage: StorageDep, surfaces: SurfacesDep) -> Charts:
    return Charts(database, storage, surfaces)


ChartsDep = Annotated[Charts, Depends(_charts)]
