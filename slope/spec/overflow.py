"""Numbers that a double holds and float32 does not."""

from typing import Any

from slope.spec.faults import Location, invalid

FLOAT32_LIMIT = 3.4028235677973366e38
"""From here on a number rounds to infinity in float32."""


def refuse_overflow(location: Location, numbers: list[Any] | dict[str, Any]) -> None:
    """Refuse the first number, however nested, that float32 cannot hold."""
    for key, value in numbers.items() if isinstance(numbers, dict) else enumerate(numbers):
        if isinstance(value, float):
            if abs(value) >= FLOAT32_LIMIT:
                raise invalid((*location, key), "The number is too large for float32; use dtype float64")
        elif isinstance(value, list | dict):
            refuse_overflow((*location, key), value)
