"""The compiled loops, loaded where they are needed first: they bring numba, and may have to be compiled for seconds."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from importlib import import_module
from threading import Thread
from types import ModuleType

_LOOK_SECONDS = 0.05


def kernels(pause: Callable[[], None]) -> ModuleType:
    """The module `slope.engines.kernels`. While it is loaded, `pause` is asked whether to go on waiting."""
    loading = _loading()
    while not loading.done():
        pause()
        try:
            loading.exception(_LOOK_SECONDS)
        except TimeoutError:
            continue
    return loading.result()


@cache
def _loading() -> Future[ModuleType]:
    """Once for the process; who stops waiting leaves it to go on for the next."""
    future: Future[ModuleType] = Future()

    def load() -> None:
        try:
            future.set_result(import_module("slope.engines.kernels"))
        except BaseException as error:  # whoever waits raises it
            future.set_exception(error)

    Thread(target=load, name="kernels", daemon=True).start()
    return future
