"""What items on a page leave out."""

from typing import Any

LONG = 100
"""Items on a page leave out vectors, tables and lists of more items than this: they are null."""


def shortened(value: Any) -> Any:
    """The value as an item on a page has it: a list that is long is null, also where it is a value in a document."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    return None if isinstance(value, list) and len(value) > LONG else value
