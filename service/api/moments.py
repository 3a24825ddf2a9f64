"""Times as requests have them: in words, with their zone."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt_ ]")


def _refuse_numbers(value: Any) -> Any:
    """Pydantic would take them for seconds since 1970, or milliseconds, also those in a string."""
    if isinstance(value, datetime) or (isinstance(value, str) and _WRITTEN.match(value)):
        return value
    raise ValueError("Give a time with its zone, as in 2026-01-31T12:00:00Z")


def in_utc(moment: datetime) -> datetime:
    """Raises ValueError where UTC has no such time."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("In UTC it is not in the years 1 to 9999") from error


Moment = Annotated[
    AwareDatetime,
    Field(strict=False),  # strictly no text is a time, but JSON and queries have nothing else
    BeforeValidator(_refuse_numbers, json_schema_input_type=AwareDatetime),
    AfterValidator(in_utc),
]
Since = Annotated[Moment | None, Query(description="At this time or later, with its zone")]
Before = Annotated[Moment | None, Query(description="Earlier than this time, with its zone")]
