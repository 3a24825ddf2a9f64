"""What all answers are made of. Numbers that are not finite become null."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import definitions_schema

Item = TypeVar("Item")


class View(BaseModel):
    model_config = ConfigDict(
        from_attributes=True,
        use_attribute_docstrings=True,
        frozen=True,
        defer_build=True,  # a client uses few of them
        json_schema_serialization_defaults_required=True,
    )

    def __init_subclass__(cls, **named: Any) -> None:
        """No file has the source of `Page[JobView]`: looking for docstrings there took half a second of a start."""
        super().__init_subclass__(**named)
        cls.model_config["use_attribute_docstrings"] = "[" not in cls.__name__


def is_missing(value: object) -> bool:
    """Of a field that is left out where it says nothing."""
    return value is None


class SparseView(View):
    """What has its default is left out of the answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


class DocumentedAs:
    """For OpenAPI: a model, found when it is needed, describes the dictionary. No object of the model is made."""

    def __init__(self, find_model: Callable[[], type[BaseModel]]) -> None:
        self._find_model = find_model

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # In a schema that only holds definitions, the model's becomes a reference to it.
        return handler(definitions_schema(self._find_model().__pydantic_core_schema__, []))


class Page(View, Generic[Item]):
    data: list[Item]
    """The items."""
    next: str | None = None
    """Where the next page goes on; null on the last."""
