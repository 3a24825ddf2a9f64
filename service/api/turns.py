"""Long work takes turns: few at a time in threads of their own, few that wait, and none for a client that has gone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from typing import Any, ParamSpec, TypeVar

from service.errors import ClientGone, TooBusy
from slope.calling_off import called_off_when

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

Leaving = Callable[[], Coroutine[Any, Any, None]]
"""Returns when the client has gone."""


class Turns:
    """Has threads of its own, so that short requests never wait behind long ones."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="turn")
        self._most = at_once + waiting
        self._taken = 0
        self._counting = Lock()

    async def take(
        self,
        leaving: Leaving,
        work: Callable[Arguments, Answer],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Answer:
        """What the work gives when its turn has come. Raises TooBusy where too many wait, and ClientGone."""
        if self._taken >= self._most:
            raise TooBusy(self._most)
        return await self._do(leaving, lambda: work(*arguments, **named))

    async def each(self, leaving: Leaving, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks of an answer that has begun. Each takes a turn, and none is refused one."""
        while (chunk := await self._do(leaving, lambda: next(chunks, None))) is not None:
            yield chunk

    async def _do(self, leaving: Leaving, work: Callable[[], Answer]) -> Answer:
        off = Event()
        doing = self._begin(off, work)
        answer, gone = asyncio.wrap_future(doing), asyncio.ensure_future(leaving())
        both: set[asyncio.Future[Any]] = {answer, gone}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientGone
            return answer.result()
        finally:
            off.set()  # what has begun stops when it asks
            doing.cancel()  # what has not leaves the queue
            answer.cancel()
            gone.cancel()

    def _begin(self, off: Event, work: Callable[[], Answer]) -> "Future[Answer]":
        self._count(1)
        doing = self._threads.submit(_until, off, work)
        doing.add_done_callback(lambda _: self._count(-1))
        return doing

    def _count(self, change: int) -> None:
        with self._counting:
            self._taken += change


def _until(off: Event, work: Callable[[], Answer]) -> Answer:
    with called_off_when(off.is_set):
        try:
            return work()
        except StopIteration as error:  # no future of asyncio takes it: whoever waits would wait for ever
            raise RuntimeError("Work in a turn raised StopIteration") from error
