"""The data of a job: written into the request, or a stored dataset by id."""

from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic_core import InitErrorDetails

from slope.spec.faults import invalid
from slope.spec.part import Part

Item = TypeVar("Item")
Vector = list[float]
Matrix = list[list[float]]

_number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_vector = TypeAdapter(list[_number])
_matrix = TypeAdapter(list[list[_number]])


_PIECE = 20_000
"""Numbers that are checked at once, about a millisecond's work: other threads have their turn after each piece."""


def _in_pieces(adapter: TypeAdapter[list[Item]], value: Any, width: int = 1) -> list[Item]:
    """What the adapter makes of a list, each of whose items has so many numbers."""
    size = max(1, _PIECE // width)
    if not isinstance(value, list) or len(value) <= size:
        return adapter.validate_python(value)
    found: list[Item] = []
    for start in range(0, len(value), size):
        try:
            found += adapter.validate_python(value[start : start + size])
        except ValidationError as error:
            raise _moved(error, start) from None
    return found


def _moved(error: ValidationError, start: int) -> ValidationError:
    """The error of a piece, as one of the whole."""
    lines = [
        InitErrorDetails(
            type=line["type"],
            loc=(int(line["loc"][0]) + start, *line["loc"][1:]),
            input=line["input"],
            ctx=line.get("ctx", {}),
        )
        for line in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, lines)


def _rows(value: Any, described: ValidatorFunctionWrapHandler) -> Vector | Matrix:
    """Choose between numbers and rows by the first item, so that a fault is told once, at its own place."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        matrix = _in_pieces(_matrix, value, max(1, len(value[0])))
        _refuse_ragged(matrix)
        described([0.0] * len(matrix))  # all that is left to be checked is how many they may be
        return matrix
    vector = _in_pieces(_vector, value)
    described([0.0] * len(vector))
    return vector


def _numbers(value: Any, _: ValidatorFunctionWrapHandler) -> Vector:
    return _in_pieces(_vector, value)


def _refuse_ragged(matrix: Matrix) -> None:
    width = len(matrix[0])
    if width == 0:
        raise invalid((0,), "A row needs at least one number")
    for index, row in enumerate(matrix):
        if len(row) != width:
            raise invalid((index,), f"Row {index} has {len(row)} numbers, row 0 has {width}")


Rows = Annotated[Vector | Matrix, WrapValidator(_rows)]


class InlineData(Part):
    """Rows written into the request."""

    x: Rows = Field(examples=[[1.0, 2.0, 3.0]])
    """N numbers (one feature), or N rows of D numbers."""
    y: Annotated[Vector, WrapValidator(_numbers)] = Field(examples=[[2.0, 4.0, 6.0]])
    """The N targets."""

    @model_validator(mode="after")
    def _has_as_many_rows_as_targets(self) -> Self:
        if not self.x:
            raise invalid(("x",), "The data has no rows")
        if len(self.x) != len(self.y):
            raise invalid(("y",), f"y has {len(self.y)} numbers, x has {len(self.x)} rows")
        return self

    @property
    def rows(self) -> int:
        return len(self.y)

    @property
    def features(self) -> int:
        return width_of(self.x)


class DatasetReference(Part):
    """A stored dataset, and which of its columns to learn from."""

    id: UUID = Field(strict=False)
    features: list[str] | None = None
    """Names of the columns that become x; all but the target by default."""
    target: str | None = None
    """Name of the column that becomes y; the last by default."""


def width_of(rows: Vector | Matrix) -> int:
    """How many features each row has: D, and 1 for plain numbers."""
    first = rows[0] if rows else 0.0
    return len(first) if isinstance(first, list) else 1


def as_matrix(rows: Vector | Matrix) -> Matrix:
    """N × D, plain numbers becoming rows of one."""
    return [row if isinstance(row, list) else [row] for row in rows]
