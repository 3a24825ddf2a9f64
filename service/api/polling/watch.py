"""What many wait for is asked once for all: whether jobs have changed, once a tick, and what a call does for many."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from sys import maxsize
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread

from service.errors import ServiceError
from service.store.database import Database
from service.store.jobs import jobs
from service.store.jobs.jobs import Standing

Item = TypeVar("Item")
Result = TypeVar("Result")

SHORTEST_TICK, LONGEST_TICK = 0.001, 0.02
_PAUSE = 0.5
"""Seconds until a database that failed is looked at again."""
_DELETED = Standing(version=maxsize, is_final=True)

log = structlog.get_logger()


class JobWatch:
    """Wakes waiters when their job in SQL stands as they wish."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._seen: dict[UUID, Standing] = {}
        self._awake = asyncio.Event()
        self._latest = 0.0
        self._thread = CapacityLimiter(1)  # of its own, for it must not wait until another is free
        self.closing = asyncio.Event()
        """Set when the process is about to end: nobody waits any longer."""

    async def changed(self, job_id: UUID, version: int, seconds: float) -> None:
        """Return when the job's version is no longer the given one, when time is up, or when the process closes."""
        await self._until(lambda seen: seen.version > version, job_id, seconds)

    async def ended(self, job_id: UUID, seconds: float) -> None:
        """Return when the job has ended, when time is up, or when the process closes."""
        await self._until(lambda seen: seen.is_final, job_id, seconds)

    async def run(self) -> None:
        """Look at the watched jobs once a tick, and sleep while there are none."""
        while not self.closing.is_set():
            await self._awake.wait()
            self._awake.clear()
            while self._waiters and not self.closing.is_set():
                await asyncio.sleep(self._tick() if await self._look() else _PAUSE)

    def close(self) -> None:
        """Let everyone go."""
        self.closing.set()
        self._awake.set()
        for waiters in self._waiters.values():
            for woken in waiters:
                woken.set()

    def rehearse(self, job_id: UUID) -> None:
        """Look at a job that may not be there."""
        self._query([job_id])

    def _tick(self) -> float:
        """A tenth of what the latest waiter has waited: nobody waits much longer than the job takes."""
        waited = asyncio.get_running_loop().time() - self._latest
        return min(max(waited / 10, SHORTEST_TICK), LONGEST_TICK)

    async def _until(self, is_awaited: Callable[[Standing], bool], job_id: UUID, seconds: float) -> None:
        async with self._waiter(job_id) as woken:
            deadline = asyncio.get_running_loop().time() + seconds
            while not self.closing.is_set() and not (job_id in self._seen and is_awaited(self._seen[job_id])):
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return
                woken.clear()
                try:
                    await asyncio.wait_for(woken.wait(), left)
                except TimeoutError:
                    return

    async def _look(self) -> bool:
        """Whether the database answered. Whoever comes while it is asked is told by the next look."""
        asked = list(self._waiters)
        try:
            seen = await to_thread.run_sync(self._query, asked, limiter=self._thread)
        except ServiceError as error:  # each waiter asks again when its time is up, and then has the error
            log.warning("cannot watch the jobs", error=str(error))
            return False
        for job_id in filter(self._waiters.__contains__, asked):  # some have left meanwhile
            standing = seen.get(job_id, _DELETED)
            if self._seen.get(job_id) != standing:
                self._seen[job_id] = standing
                for woken in self._waiters[job_id]:
                    woken.set()
        return True

    def _query(self, job_ids: list[UUID]) -> dict[UUID, Standing]:
        return self._database.query(jobs.standings_of, job_ids)

    @asynccontextmanager
    async def _waiter(self, job_id: UUID) -> AsyncIterator[asyncio.Event]:
        woken = asyncio.Event()
        self._waiters[job_id].add(woken)
        self._latest = asyncio.get_running_loop().time()
        self._awake.set()
        try:
            yield woken
        finally:
            self._waiters[job_id].discard(woken)
            if not self._waiters[job_id]:
                del self._waiters[job_id]
                self._seen.pop(job_id, None)


class Batches(Generic[Item, Result]):
    """What is asked for while a call works waits for the next. Whoever comes while it is free is served immediately.

    It has a thread of its own.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result | Exception]], *, most: int) -> None:
        """`work` gives a result for every item, or what is to be raised where that is asked for.

        It is given `most` items at a time: the first of them wait for the last.
        """
        self._work = work
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._serving: asyncio.Task[None] | None = None
        self._thread = CapacityLimiter(1)

    async def of(self, item: Item) -> Result:
        """The result for an item. Who leaves takes it from nobody else, and it is worked on all the same."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._serving is None or self._serving.done():
            # Nobody's own: what it logs for many does not bear the name of the first one's request.
            self._serving = asyncio.create_task(self._serve(), context=Context())
        return await result

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            found = await self._results([item for item, _ in batch])
            for (_, result), each in zip(batch, found, strict=True):
                _settle(result, each)

    async def _results(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            return await to_thread.run_sync(self._work, items, limiter=self._thread)
        except Exception as error:
            return [error] * len(items)


def _settle(result: "asyncio.Future[Result]", found: Result | Exception) -> None:
    if result.done():  # nobody waits any more
        return
    if isinstance(found, Exception):
        result.set_exception(found)
    else:
        result.set_result(found)
