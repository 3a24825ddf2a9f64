"""What every part of a request has in common: nothing unknown, nothing coerced, nothing changed, nothing infinite."""

from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from slope.spec.faults import MOST_FAULTS, Location, invalid, lines_of, raise_first_faults
from slope.spec.names import counted, no_such

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

MAX_COUNT = 2**53 - 1
"""Up to here every reader of JSON has whole numbers exactly, and what is computed from them stays in their types."""

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]

FLOAT32_LIMIT = 3.4028235677973366e38
"""From here on a number rounds to infinity in float32."""


def _check_with_few_faults(value: Any, check: Callable[[Any], Any]) -> Any:
    if isinstance(value, list | dict) and len(value) > MOST_FAULTS:
        raise_first_faults(value, check)
    return check(value)


FewFaults = WrapValidator(_check_with_few_faults)
"""Of a long list or object the first hundred faults are reported: Pydantic would collect them all, at 1 KB each.

It comes last in an annotation, so that it sees the list before its items are checked."""


def at_most(most: int) -> BeforeValidator:
    """Of a list that is longer nothing is checked but its length. It comes last in an annotation, to be asked first."""

    def check(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise invalid((), f"List should have at most {counted(most, 'item')}, not {len(value):,}")
        return value

    return BeforeValidator(check)


def _from_bare_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def or_bare_name(kinds: Any) -> BeforeValidator:
    """For kinds that differ by their name, as optimizers do: the name alone is the kind with its defaults.

    The document says so of requests; what is kept and answered is the object.
    """
    names = tuple(name for kind in get_args(kinds) if (name := _name_that_suffices(kind)))
    documented: Any = Annotated[kinds, Field(discriminator="name")] | Literal[names]
    return BeforeValidator(_from_bare_name, json_schema_input_type=documented)


def _name_that_suffices(kind: "type[Part]") -> str | None:
    fields = dict(kind.model_fields)
    [name] = get_args(fields.pop("name").annotation)
    return None if any(field.is_required() for field in fields.values()) else str(name)


class Part(BaseModel):
    """A frozen piece of a request; unknown fields, strings for numbers and non-finite numbers are refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _suggest_known_fields(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """An unknown field is reported with the nearest that there is."""
        try:
            return handler(cls._with_few_unknown_fields(value))
        except ValidationError as error:
            lines = list(map(cls._with_hint, lines_of(error)))
            raise ValidationError.from_exception_data("request", lines) from None

    @classmethod
    def _with_few_unknown_fields(cls, value: Any) -> Any:
        """Of very many unknown fields the first are reported: Pydantic would collect them all."""
        if not isinstance(value, dict) or len(value) <= len(cls.model_fields) + MOST_FAULTS:
            return value
        known = {name: value[name] for name in cls.model_fields if name in value}
        unknown = ((name, each) for name, each in value.items() if name not in known)
        return known | dict(islice(unknown, MOST_FAULTS))

    @classmethod
    def _holder_of(cls, name: str) -> str | None:
        """The field whose value is a part that has a field of this name."""
        for outer, field in cls.model_fields.items():
            for kind in (field.annotation, *get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, Part) and name in kind.model_fields:
                    return outer
        return None

    @classmethod
    def _with_hint(cls, line: InitErrorDetails) -> InitErrorDetails:
        location, problem = line["loc"], line["type"]
        if str(getattr(problem, "type", problem)) != "extra_forbidden" or len(location) != 1:
            return line
        name = str(location[0])
        if holder := cls._holder_of(name):
            detail = f"There is no such field here: it belongs in `{holder}`"
        else:
            detail = no_such("field", name, cls.model_fields)
        return line | {"type": PydanticCustomError("slope", "{detail}", {"detail": detail})}


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
