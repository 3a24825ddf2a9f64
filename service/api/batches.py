"""What many requests ask for at the same time is done by one call: those that come while it works wait for the next."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Has a thread of its own. Whoever comes while it is free is served immediately, and alone."""

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
            self._serving = asyncio.create_task(self._serve())
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
