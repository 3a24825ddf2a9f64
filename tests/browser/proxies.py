"""What may stand between a browser and the service: a proxy that keeps event streams back, and can be away."""

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, Self
from urllib.parse import urlsplit

_CONNECTION = re.compile(rb"(?im)^connection:[^\r\n]*")


class HoldingProxy:
    """Hands on every request and its answer, but nothing of an event stream: as proxies do that wait for its end."""

    def __init__(self, url: str) -> None:
        self._upstream = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None
        self._open = set[asyncio.Task[None]]()
        self._port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def go_away(self) -> None:
        """Cut all connections, and take no others."""
        self._run(self._end())

    def come_back(self) -> None:
        self._run(self._begin())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        """Also those connections that have been accepted, and that nobody serves yet."""
        assert self._server
        self._server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._open:
                task.cancel()
            await asyncio.wait(others, timeout=0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            await self._hand_on(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            await _close(writer)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a connection, which ends with it: every request shows its head."""
        head = await reader.readuntil(b"\r\n\r\n")
        there, back = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        try:
            back.write(_CONNECTION.sub(b"Connection: close", head))
            if b"text/event-stream" in head:
                await there.read(-1)  # until it ends, and nobody waits any more
                return
            sending = asyncio.create_task(_pump(reader, back))
            await _pump(there, writer)
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
        finally:
            await _close(back)


async def _close(writer: asyncio.StreamWriter) -> None:
    """A transport that is closed and not waited for is told as a leak when its loop stops too soon."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(2**16):
        writer.write(content)
        await writer.drain()
