"""Lengths of time as people write them, in settings and as options of commands: 30d, 12h, 90m, 45s."""

import re
from datetime import timedelta

_SPAN = re.compile(r"([0-9]{1,8})\s*(d|h|min|m|s)")
_UNITS = {"d": "days", "h": "hours", "min": "minutes", "m": "minutes", "s": "seconds"}
_SPELLINGS = "30d for days, 12h for hours, 90m for minutes, 45s for seconds"
_LONGEST = timedelta(days=99_999)


def parse_span(text: str) -> timedelta:
    """Raises ValueError, which says how it is written."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no length of time: write {_SPELLINGS}")
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if span > _LONGEST:
        raise ValueError(f"{text!r} is longer than {_LONGEST.days}d, which is the longest there is")
    return span
