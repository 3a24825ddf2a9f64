"""Numbers that a double holds and float32 does not."""

from math import inf
from typing import Any

from slope.spec.faults import Location, invalid

FLOAT32_LIMIT = 3.4028235677973366e38
"""From here on a number rounds to infinity in float32."""


def infinite_from(dtype: str) -> float:
    """From here on a double is infinite in a dtype."""
    return FLOAT32_LIMIT if dtype == "float32" else inf


def refuse_overflow(dtype: str, location: Location, numbers: list[Any] | dict[str, Any]) -> None:
    """Refuse the first number, however nested, that the dtype cannot hold."""
    limit = infinite_from(dtype)
    if limit < inf:
        _refuse_from(limit, location, numbers)


def _refuse_from(limit: float, location: Location, numbers: list[Any] | dict[str, Any]) -> None:
    for key, value in numbers.items() if isinstance(numbers, dict) else enumerate(numbers):
        if isinstance(value, float):
            if abs(value) >= limit:
                raise invalid((*location, key), "The number is too large for float32; use dtype float64")
        elif isinstance(value, list | dict):
            _refuse_from(limit, (*location, key), value)
