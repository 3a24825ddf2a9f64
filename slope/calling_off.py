"""Whether an answer is still wanted: what computes for long asks again and again, and whoever waits for it says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_has_gone: ContextVar[Callable[[], bool]] = ContextVar("has_gone", default=lambda: False)


@contextmanager
def called_off_when(has_gone: Callable[[], bool]) -> Iterator[None]:
    """What is computed within is called off as soon as `has_gone` says so."""
    token = _has_gone.set(has_gone)
    try:
        yield
    finally:
        _has_gone.reset(token)


def is_called_off() -> bool:
    """Whether nobody waits any longer for what is computed here. False where nobody has said."""
    return _has_gone.get()()
