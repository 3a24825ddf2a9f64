"""What every part of a request has in common: nothing unknown, nothing coerced, nothing changed."""

from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from slope.spec.faults import MOST_FAULTS

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

MAX_COUNT = 2**53 - 1
"""Up to here every reader of JSON has whole numbers exactly, and what is computed from them stays in their types."""

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


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

    @model_validator(mode="before")
    @classmethod
    def _leave_out_strangers(cls, value: Any) -> Any:
        """Of very many unknown fields the first are told: Pydantic would collect them all."""
        if not isinstance(value, dict) or len(value) <= len(cls.model_fields) + MOST_FAULTS:
            return value
        known = {name: value[name] for name in cls.model_fields if name in value}
        strangers = ((name, each) for name, each in value.items() if name not in known)
        return known | dict(islice(strangers, MOST_FAULTS))
