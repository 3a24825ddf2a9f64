"""A table in parts, on more than one core: several parts are read together, and several things done with each."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from slope.arrays import Array

Part = Sequence[Array]
Span = TypeVar("Span")
Read = TypeVar("Read")

_READERS = 2
_WAITING = 1
"""Parts that some works may be behind with while the next is read."""


def read_ahead(
    read: Callable[[Span], Read], spans: Iterable[Span], readers: int = _READERS
) -> Iterator[tuple[Span, Future[Read]]]:
    """What is read of each span, in their order; while one is looked at, the next few are being read."""
    begun: deque[tuple[Span, Future[Read]]] = deque()
    with ThreadPoolExecutor(readers) as threads:
        for span in spans:
            begun.append((span, threads.submit(read, span)))
            if len(begun) > readers:
                yield begun.popleft()
        yield from begun


class PartWorkers:
    """A thread for each work, which does it on part after part. NumPy, hashlib and Arrow let go of the interpreter."""

    def __init__(self, works: Sequence[Callable[[Part], None]]) -> None:
        self._works = [(work, ThreadPoolExecutor(1)) for work in works]
        self._unfinished: deque[list[Future[None]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _, thread in self._works:
            thread.shutdown()
        while self._unfinished and error is None:
            self._finish()

    def take(self, part: Part) -> None:
        """Have a part worked on, when all works are done with the last but one. Raises what one of them has raised.

        So there are never more than three parts in memory, each work has the parts in their order, and no core waits
        for the longest work of a part.
        """
        while len(self._unfinished) > _WAITING:
            self._finish()
        self._unfinished.append([thread.submit(work, part) for work, thread in self._works])

    def _finish(self) -> None:
        """Wait for the works on the earliest part."""
        for future in self._unfinished.popleft():
            future.result()
