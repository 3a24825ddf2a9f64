"""What every part of a request has in common: nothing unknown, nothing coerced, nothing changed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
