"""What all answers are made of. Numbers that are not finite become null."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, frozen=True)


class Page(View, Generic[Item]):
    data: list[Item]
    next: str | None = None
    """Where the next page goes on; null on the last."""
