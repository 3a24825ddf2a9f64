"""Answers about a job's model."""

from typing import Generic, Literal, TypeVar
from uuid import UUID

from slope.answers.view import View

Number = TypeVar("Number", float, str)


class ScaledNumbersView(View, Generic[Number]):
    """The model as it was trained, on x_scaled = (x − means) / deviations."""

    weights: list[Number]
    """Of x_scaled."""
    bias: Number | None
    """Of x_scaled."""
    means: list[Number]
    """Of the columns of x."""
    deviations: list[Number]
    """Of the columns of x."""
    target_mean: Number
    """What was taken off y, and is added to what the model predicts: 0 unless float32 would have rounded y away."""


class NumbersView(View, Generic[Number]):
    weights: list[Number]
    """Of the data in its own units."""
    bias: Number | None
    """Null where there is none."""
    scaled: ScaledNumbersView[Number] | None
    """Where the data was standardized for training: these are exact, and those in own units follow from them."""


class ModelView(NumbersView[float]):
    job_id: UUID
    """The job whose model it is."""
    epoch: int | None
    """The epoch after which the model was so; null for the one that the job ended with."""
    dtype: Literal["float32", "float64"]
    """In which it was trained, and predicts."""
    features: list[str] | None
    """Names of the columns of x; null where the data came without."""
    target: str
    """Name of the column that is y."""
    hexadecimal: NumbersView[str]
    """The same numbers as C's `%a` and Python's `float.hex` write them, to the bit."""
