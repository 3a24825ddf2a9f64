"""How all of the loops are compiled, and when what is kept of them is compiled anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from numba import njit
from numba.core import caching, config

_FAST = {"contract", "reassoc", "nsz"}
"""Sums may be taken in the order that suits the processor; infinities and NaN stay what they are."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """For the types that it is called with, one after another."""
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy", "forceinline": True}
    try:
        with _stamped_caches():
            return _of_these_kernels(njit(cache=True, **options)(function))
    except RuntimeError:  # there is no folder for a cache that can be written to
        return cast(Callable[..., Any], njit(**options)(function))


def _of_these_kernels(loop: Any) -> Callable[..., Any]:
    """Let numba leave unread what it has kept of others: that names modules which may have moved since."""
    if cache := getattr(loop, "_cache", None):  # there is none where numba is told not to compile
        cache._cache_file._version += f" {_stamp().hex()}"
    return cast(Callable[..., Any], loop)


def stamp_of(folder: Path) -> bytes:
    """Of the kernels in a folder, and of the constants in slope.engines.layouts that are compiled into them."""
    sources = [*folder.glob("*.py"), *(folder.parent / "layouts").glob("*rules.py")]
    return sha256(b"".join(sha256(source.read_bytes()).digest() for source in sorted(sources))).digest()


@cache
def _stamp() -> bytes:
    """Of this folder, as this process has loaded it."""
    return stamp_of(Path(__file__).parent)


class _Stamped:
    """What a cache holds is of these kernels as a whole.

    numba would look at the file of the function alone, and run old code of those that it calls in others.
    """

    def get_source_stamp(self) -> bytes:
        return _stamp()


class ChosenFolder(_Stamped, caching.UserProvidedCacheLocator):
    """NUMBA_CACHE_DIR."""


class FolderOfSources(_Stamped, caching.InTreeCacheLocator):
    """Beside the kernels."""


class FolderOfUser(_Stamped, caching.UserWideCacheLocator):
    """Where the user's programs keep such things."""


_PLACES = ",".join(f"{__name__}.{each.__name__}" for each in (ChosenFolder, FolderOfSources, FolderOfUser))


@contextmanager
def _stamped_caches() -> Iterator[None]:
    """Let numba look for caches with our stamp, unless the environment names other places for it."""
    settings = cast(Any, config)  # which numba makes of the environment
    before = settings.CACHE_LOCATOR_CLASSES
    settings.CACHE_LOCATOR_CLASSES = before or _PLACES
    try:
        yield
    finally:
        settings.CACHE_LOCATOR_CLASSES = before
