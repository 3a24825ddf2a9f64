"""What all answers are made of. Numbers that are not finite become null."""

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
        json_schema_serialization_defaults_required=True,
    )


class SparseView(View):
    """What has its default is left out of the answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


class DocumentedAs:
    """For OpenAPI: this model describes the dictionary. No object of the model is made."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # In a schema that only holds definitions, the model's becomes a reference to it.
        return handler(definitions_schema(self._model.__pydantic_core_schema__, []))


LONG = 100
"""Items on a page leave out vectors, tables and lists of more items than this: they are null."""


def shortened(value: Any) -> Any:
    """The value as an item on a page has it: a list that is long is null, also where it is a value in a document."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    return None if isinstance(value, list) and len(value) > LONG else value


class Page(View, Generic[Item]):
    data: list[Item]
    """The items."""
    next: str | None = None
    """Where the next page goes on; null on the last."""
