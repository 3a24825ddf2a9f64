"""The compiled loops, loaded where they are needed first: they bring numba, and may have to be compiled for seconds."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from importlib import import_module
from threading import Thread
from types import ModuleType
from typing import Any

_LOOK_SECONDS = 0.05
_UNROLLED = 2
"""Up to this many parameters the loops are compiled for just that many."""

Shape = tuple[float, ...]


def descent(parameters: int, pause: Callable[[], None]) -> tuple[Callable[..., Any], Shape]:
    """`slope.engines.kernels.descent.descend` and the shape that it takes for so many parameters.

    While it is loaded, `pause` is asked whether to go on waiting.
    """
    shape = (0.0,) * parameters if parameters <= _UNROLLED else ()
    return _waited_for(_loaded_descent(shape), pause), shape


def composition(pause: Callable[[], None]) -> ModuleType:
    """`slope.engines.kernels.composition`, likewise."""
    return _waited_for(_loaded_composition(), pause)  # type: ignore[no-any-return]


def load_ahead() -> None:
    """Load all of it, beside what the process does: its first job finds it there, or waits for what is left."""

    def load() -> None:
        _loaded_evaluation().result()
        for parameters in (0, *range(1, _UNROLLED + 1)):
            _loaded_descent((0.0,) * parameters).result()
        _loaded_composition().result()

    Thread(target=load, name="kernels ahead", daemon=True).start()


def _waited_for(loading: Future[Any], pause: Callable[[], None]) -> Any:
    while not loading.done():
        pause()
        try:
            loading.exception(_LOOK_SECONDS)
        except TimeoutError:
            continue
    return loading.result()


def evaluation(pause: Callable[[], None]) -> Callable[..., Any]:
    """`slope.engines.kernels.descent.evaluate`, likewise."""
    return _waited_for(_loaded_evaluation(), pause)  # type: ignore[no-any-return]


@cache
def _loaded_evaluation() -> Future[Any]:
    return _in_a_thread(lambda: import_module("slope.engines.kernels.warm").evaluation())


@cache
def _loaded_descent(shape: Shape) -> Future[Any]:
    return _in_a_thread(lambda: import_module("slope.engines.kernels.warm").descent(shape))


@cache
def _loaded_composition() -> Future[Any]:
    return _in_a_thread(lambda: import_module("slope.engines.kernels.warm").composition())


def _in_a_thread(load: Callable[[], Any]) -> Future[Any]:
    """Once for the process; who stops waiting leaves it to go on for the next."""
    future: Future[Any] = Future()

    def settle() -> None:
        try:
            future.set_result(load())
        except BaseException as error:  # whoever waits raises it
            future.set_exception(error)

    Thread(target=settle, name="kernels", daemon=True).start()
    return future
