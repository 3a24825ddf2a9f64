"""Many clients of one API in a closed loop: some listen to streams of events, some submit jobs and poll them.

`python -m faults.load` runs it at full length on both databases, and prints what issue 19 asks for.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import numpy as np
import psutil
from rich.console import Console
from sqlalchemy import func, select

from faults import work
from faults.stage import Stage
from service.store.tables import Job
from slope.statuses import FINAL

_POLL_SECONDS = 0.02
_SAMPLE_SECONDS = 0.5
_FLAT = 1.10
"""Memory that grows by less from the second quarter of the time to the last counts as flat."""
_POST = ("POST /v1/jobs HTTP/1.1", "Content-Type: application/json")


@dataclass
class Result:
    """What became of it."""

    seconds: float
    accepted: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    post_seconds: list[float] = field(default_factory=list)
    get_seconds: list[float] = field(default_factory=list)
    streams: int = 0
    """That were read to their end."""
    events: int = 0
    memory: list[int] = field(default_factory=list)
    """Bytes of the API's process, sample by sample."""
    succeeded: int = 0
    """Of those accepted, as the database has it afterwards."""
    kept: int = 0
    """Jobs that the database has, all in all, besides those that the load itself added."""

    @property
    def growth(self) -> float:
        """Of the API's memory, from the second quarter of the time to the last."""
        quarter = max(1, len(self.memory) // 4)
        return float(np.mean(self.memory[-quarter:]) / np.mean(self.memory[quarter : 2 * quarter]))

    @property
    def all_accounted_for(self) -> bool:
        return len(set(self.accepted)) == len(self.accepted) == self.succeeded == self.kept

    def __str__(self) -> str:
        posts, gets = (_quantiles(times) for times in (self.post_seconds, self.get_seconds))
        return (
            f"{self.seconds:.0f} s: {len(self.accepted)} jobs accepted, {self.succeeded} of them succeeded, "
            f"{self.kept} kept; {len(self.errors)} errors {self.errors[:3]}\n"
            f"POST {posts}; GET {gets}; {self.streams} streams read to their end, {self.events} events\n"
            f"memory of the API {self.memory[-1] / 1e6:.0f} MB at the end, {self.growth:.3f} times the second quarter's"
        )


def _quantiles(seconds: list[float]) -> str:
    half, most = (1000 * np.quantile(seconds, each) for each in (0.5, 0.99))
    return f"{len(seconds)}, median {half:.0f} ms, p99 {most:.0f} ms"


class Crowd:
    """The clients, all in one event loop."""

    def __init__(self, url: str, seconds: float, pid: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._until = monotonic() + seconds
        self._api = psutil.Process(pid)
        self._newest: list[str] = []
        self.result = Result(seconds)

    @property
    def _goes_on(self) -> bool:
        return monotonic() < self._until

    async def run(self, streams: int, clients: int, waiting: str) -> Result:
        """Half of the streams listen to a job that waits all the time, the others to one job after the other."""
        listening = [asyncio.create_task(self._listen(waiting if number % 2 else None)) for number in range(streams)]
        submitting = [asyncio.create_task(self._submit()) for _ in range(clients)]
        sampling = asyncio.create_task(self._sample())
        await asyncio.gather(*submitting, sampling)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        return self.result

    async def _submit(self) -> None:
        async with self._connected() as (reader, writer):
            while self._goes_on:
                started = monotonic()
                status, body = await self._ask(reader, writer, *_POST, body=json.dumps(work.small()).encode())
                self.result.post_seconds.append(monotonic() - started)
                if status != 202:
                    self.result.errors.append(f"POST {status}")
                    continue
                job_id = body["id"]
                self.result.accepted.append(job_id)
                self._newest = [*self._newest[-20:], job_id]
                while body["status"] not in FINAL:
                    await asyncio.sleep(_POLL_SECONDS)
                    started = monotonic()
                    status, body = await self._ask(reader, writer, f"GET /v1/jobs/{job_id} HTTP/1.1")
                    self.result.get_seconds.append(monotonic() - started)
                    if status != 200:
                        self.result.errors.append(f"GET {status}")
                        break

    async def _listen(self, job_id: str | None) -> None:
        """To a job that waits, or to the newest one, and when that has ended to the next."""
        while self._goes_on:
            chosen = job_id or (self._newest[-1] if self._newest else None)
            if chosen is None:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            async with self._connected() as (reader, writer):
                lines = (f"GET /v1/jobs/{chosen}/events HTTP/1.1", "Accept: text/event-stream", "Connection: close")
                writer.write(_question(*lines))
                status, _ = await _head(reader)
                if status != 200:
                    self.result.errors.append(f"stream {status}")
                    return
                told = await reader.read(-1) if job_id is None else await self._until_the_end(reader)
                self.result.events += told.count(b"\nevent: ") + told.startswith(b"event: ")
                self.result.streams += told.endswith(b"0\r\n\r\n")

    async def _until_the_end(self, reader: asyncio.StreamReader) -> bytes:
        """Of the load: this stream goes on. One that ends before is an error."""
        told = b""
        while self._goes_on:
            with suppress(TimeoutError):
                piece = await asyncio.wait_for(reader.read(65_536), 0.5)
                if not piece:
                    self.result.errors.append("a stream that waits has ended")
                    return told
                told += piece
        return told

    async def _sample(self) -> None:
        while self._goes_on:
            self.result.memory.append(self._api.memory_info().rss)
            await asyncio.sleep(_SAMPLE_SECONDS)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """What breaks a connection is an error of the service."""
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            yield reader, writer
        except (OSError, asyncio.IncompleteReadError) as error:
            self.result.errors.append(repr(error))
        finally:
            writer.close()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *lines: str, body: bytes = b""
    ) -> tuple[int, Any]:
        writer.write(_question(*lines, f"Content-Length: {len(body)}") + body)
        status, headers = await _head(reader)
        return status, json.loads(await reader.readexactly(int(headers["content-length"])))


def _question(*lines: str) -> bytes:
    return "\r\n".join([*lines, "Host: localhost", "", ""]).encode()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines)


def run(stage: Stage, seconds: float, *, streams: int = 200, clients: int = 50) -> Result:
    """The load, and what the database has of it when all has ended."""
    for _ in range(3):  # what is loaded at the first request is no growth
        stage.submit(work.small())
    before = _count(stage)
    waiting = stage.submit(work.small() | {"device": "cuda:99"})
    crowd = Crowd(stage.api.url, seconds, stage.api.program.pid)
    result = asyncio.run(crowd.run(streams, clients, str(waiting)))
    with stage.database.reading() as session:
        own = [UUID(job_id) for job_id in result.accepted]
        accepted = select(func.count()).where(Job.id.in_(own), Job.status == "succeeded")
        result.succeeded = session.scalar(accepted) or 0
    result.kept = _count(stage) - before - 1
    httpx2.post(f"{stage.api.url}/v1/jobs/{waiting}/cancel", timeout=30).raise_for_status()  # others wait for all jobs
    return result


def _count(stage: Stage) -> int:
    with stage.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def main() -> None:
    from faults.__main__ import stage

    parser = argparse.ArgumentParser(prog="python -m faults.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=["postgresql", "sqlite"])
    chosen = parser.parse_args()
    is_well, console = True, Console(highlight=False, width=120)
    for kind in ("postgresql", "sqlite"):
        if chosen.only in (None, kind):
            with stage(is_sqlite=kind == "sqlite", seed=0) as here:
                result = run(here, chosen.seconds)
            console.print(f"{kind}: {result}")
            is_well = is_well and not result.errors and result.all_accounted_for and result.growth < _FLAT
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
