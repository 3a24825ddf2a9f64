"""What items on a page leave out."""

from typing import Any

LONG = 100
"""Items on a page leave out vectors, tables and lists of more items than this: they are null."""
_NESTED = (dict, list)


def shortened(value: Any) -> Any:
    """The value as an item on a page has it: a list that is long is null, also where it is a value in a document."""
    if isinstance(value, dict):
        return {name: shortened(each) if isinstance(each, _NESTED) else each for name, each in value.items()}
    return None if isinstance(value, list) and len(value) > LONG else value
