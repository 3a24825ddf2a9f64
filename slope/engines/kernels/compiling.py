"""How all of the loops are compiled."""

from collections.abc import Callable
from typing import Any, cast

from numba import njit

_FAST = {"contract", "reassoc", "nsz"}
"""Sums may be taken in the order that suits the processor; infinities and NaN stay what they are."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """For the types that it is called with, one after another.

    What it calls belongs into its own file: numba looks at no other to see whether it has to compile anew.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy", "forceinline": True}
    try:
        return cast(Callable[..., Any], njit(cache=True, **options)(function))
    except RuntimeError:  # there is no folder for a cache that can be written to
        return cast(Callable[..., Any], njit(**options)(function))
