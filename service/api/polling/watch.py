"""Waiting for jobs to change: one small query a tick for everyone who waits, however many they are."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread

from service.errors import ServiceError
from service.store import jobs
from service.store.database import Database

SHORTEST_TICK, LONGEST_TICK = 0.001, 0.02
_PAUSE = 0.5
"""Seconds until a database that failed is looked at again."""
_DELETED = -1

log = structlog.get_logger()


class JobWatch:
    """Wakes waiters when the version of their job in SQL is another than the one they know."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._versions: dict[UUID, int] = {}
        self._awake = asyncio.Event()
        self._latest = 0.0
        self._thread = CapacityLimiter(1)  # of its own, for it must not wait until another is free
        self.closing = asyncio.Event()
        """Set when the process is about to end: nobody waits any longer."""

    async def changed(self, job_id: UUID, version: int, seconds: float) -> None:
        """Return when the job's version is no longer the given one, when time is up, or when the process closes."""
        async with self._waiter(job_id) as woken:
            deadline = asyncio.get_running_loop().time() + seconds
            while not self.closing.is_set() and not self._has_passed(job_id, version):
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return
                woken.clear()
                try:
                    await asyncio.wait_for(woken.wait(), left)
                except TimeoutError:
                    return

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

    def _tick(self) -> float:
        """A tenth of what the latest waiter has waited: nobody waits much longer than the job takes."""
        waited = asyncio.get_running_loop().time() - self._latest
        return min(max(waited / 10, SHORTEST_TICK), LONGEST_TICK)

    def _has_passed(self, job_id: UUID, version: int) -> bool:
        seen = self._versions.get(job_id, version)
        return seen > version or seen == _DELETED

    async def _look(self) -> bool:
        """Whether the database answered."""
        try:
            seen = await to_thread.run_sync(self._query, list(self._waiters), limiter=self._thread)
        except ServiceError as error:  # each waiter asks again when its time is up, and then has the error
            log.warning("cannot watch the jobs", error=str(error))
            return False
        for job_id in list(self._waiters):
            version = seen.get(job_id, _DELETED)
            if self._versions.get(job_id) != version:
                self._versions[job_id] = version
                for woken in self._waiters[job_id]:
                    woken.set()
        return True

    def _query(self, job_ids: list[UUID]) -> dict[UUID, int]:
        return self._database.query(jobs.versions_of, job_ids)

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
                self._versions.pop(job_id, None)
