"""What all answers are made of. Numbers that are not finite become null."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, frozen=True)


LONG = 100
"""Items on a page leave out vectors, tables and lists of more than so many: they are null."""


def short(value: Any) -> Any:
    """The value as an item on a page has it: a list that is long is null, also where it is a value in a document."""
    if isinstance(value, dict):
        return {name: short(each) for name, each in value.items()}
    return None if isinstance(value, list) and len(value) > LONG else value


class Page(View, Generic[Item]):
    data: list[Item]
    next: str | None = None
    """Where the next page goes on; null on the last."""
