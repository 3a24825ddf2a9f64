"""The data of a job: written into the request, or a stored dataset by id."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    FailFast,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from slope.spec.faults import faults_from, first_of, invalid
from slope.spec.names import counted
from slope.spec.part import Count, FewFaults, Part

Item = TypeVar("Item")
Vector = list[float]
Matrix = list[list[float]]

_number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Numbers = Annotated[list[_number], FailFast()]
_vector = TypeAdapter(_Numbers)
_matrix = TypeAdapter(Annotated[list[_Numbers], FailFast()])
_all_faults = TypeAdapter(list[_number])
_first_of_each = TypeAdapter(list[_Numbers])

_PIECE = 20_000
"""Numbers that are checked in one piece, about a millisecond's work: other threads have their turn after each piece."""

_Faults = Callable[[int, list[Any]], Iterator[InitErrorDetails]]


def _in_pieces(adapter: TypeAdapter[list[Item]], value: Any, faults_from: _Faults, width: int = 1) -> list[Item]:
    """What the adapter makes of a list, each of whose items has at most `width` numbers."""
    if not isinstance(value, list):
        return adapter.validate_python(value)
    size = max(1, _PIECE // width)
    found: list[Item] = []
    for start in range(0, len(value), size):
        try:
            found += adapter.validate_python(value[start : start + size])
        except ValidationError:
            raise first_of(faults_from(start, value)) from None
    return found


def _faults_of_numbers(start: int, numbers: list[Any]) -> Iterator[InitErrorDetails]:
    return faults_from(start, numbers, _all_faults.validate_python)


def _faults_of_rows(start: int, rows: list[Any]) -> Iterator[InitErrorDetails]:
    """Row by row where a row is wrong: together, wide rows would have too many faults."""
    for wrong in faults_from(start, rows, _first_of_each.validate_python):
        index = int(wrong["loc"][0])
        if isinstance(rows[index], list):
            yield from (line | {"loc": (index, *line["loc"])} for line in _faults_of_numbers(0, rows[index]))
        else:
            yield wrong


def _rows(value: Any, described: ValidatorFunctionWrapHandler) -> Vector | Matrix:
    """Choose between numbers and rows by the first item, so that a fault is reported once, and where it is."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        width = max(len(row) for row in value if isinstance(row, list))
        matrix = _in_pieces(_matrix, value, _faults_of_rows, max(1, width))
        _refuse_ragged(matrix)
        described([0.0] * len(matrix))  # all that is left to be checked is how many they may be
        return matrix
    vector = _in_pieces(_vector, value, _faults_of_numbers)
    described([0.0] * len(vector))
    return vector


def _numbers(value: Any, _: ValidatorFunctionWrapHandler) -> Vector:
    return _in_pieces(_vector, value, _faults_of_numbers)


def _refuse_ragged(matrix: Matrix) -> None:
    width = len(matrix[0])
    if width == 0:
        raise invalid((0,), "A row needs at least one number")
    for index, row in enumerate(matrix):
        if len(row) != width:
            raise invalid((index,), f"Row {index} has {counted(len(row), 'number')}, row 0 has {width}")


Rows = Annotated[Vector | Matrix, WrapValidator(_rows)]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise invalid((), "The name has a character that cannot be printed")
    return name


ColumnName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
DEFAULT_TARGET = "y"


def _is_none(value: Any) -> bool:
    return value is None


def default_features(width: int) -> list[str]:
    """What the columns of x are called where they come without names."""
    return ["x"] if width == 1 else [f"x{number}" for number in range(width)]


class InlineData(Part):
    """Rows written into the request."""

    x: Rows = Field(examples=[[1.0, 2.0, 3.0]])
    """N numbers (one feature), or N rows of D numbers."""
    y: Annotated[Vector, WrapValidator(_numbers)] = Field(examples=[[2.0, 4.0, 6.0]])
    """The N targets."""
    features: Annotated[list[ColumnName], FewFaults] | None = Field(
        default=None, examples=[["hours"]], exclude_if=_is_none
    )
    """Names of the D features; `x`, or `x0`, `x1` and so on, where none are given."""
    target: ColumnName | None = Field(default=None, examples=["price"], exclude_if=_is_none)
    """Name of y; `y` where none is given."""
    weights: Annotated[Vector, WrapValidator(_numbers)] | None = Field(
        default=None, examples=[[1.0, 1.0, 0.5]], exclude_if=_is_none
    )
    """How much each of the N rows counts, 0 or more: a row of weight 2 counts as much as two. Only their proportions
    matter."""

    @property
    def rows(self) -> int:
        return len(self.y)

    @property
    def width(self) -> int:
        """How many features there are."""
        return width_of(self.x)

    @property
    def names(self) -> list[str]:
        """Of all columns, the target's the last."""
        features = default_features(self.width) if self.features is None else self.features
        return [*features, self.target or DEFAULT_TARGET]

    @property
    def name_of_weights(self) -> str | None:
        """What their column is called; None where there are none."""
        return None if self.weights is None else name_besides("weights", self.names)

    @model_validator(mode="after")
    def _weighs_its_rows(self) -> Self:
        if self.weights is None:
            return self
        if len(self.weights) != self.rows:
            raise invalid(
                ("weights",), f"It has {counted(len(self.weights), 'weight')} for {counted(self.rows, 'row')}"
            )
        for index, weight in enumerate(self.weights):
            if weight < 0:
                raise invalid(("weights", index), "A weight is 0 or more: a row of weight 0 counts for nothing")
        if not any(self.weights):
            raise invalid(("weights",), "All weights are 0: no row would count")
        return self

    @model_validator(mode="after")
    def _has_as_many_rows_as_targets(self) -> Self:
        if not self.x:
            raise invalid(("x",), "The data has no rows")
        if len(self.x) != len(self.y):
            raise invalid(("y",), f"y has {counted(len(self.y), 'number')}, x has {counted(len(self.x), 'row')}")
        return self

    @model_validator(mode="after")
    def _names_each_column_once(self) -> Self:
        if self.features is not None and len(self.features) != self.width:
            raise invalid(
                ("features",), f"It has {counted(len(self.features), 'name')} for {counted(self.width, 'feature')}"
            )
        *features, target = self.names
        seen = {target}
        for index, name in enumerate(features):
            if name in seen:
                where = ("target",) if self.features is None else ("features", index)
                raise invalid(where, "The name is that of the target and of a feature, or of two features")
            seen.add(name)
        return self


class StoredDataset(Part):
    """A stored dataset, by its id, or by its name and version."""

    id: UUID | None = Field(default=None, strict=False)
    """As the upload's answer has it."""
    name: str | None = Field(default=None, examples=["rents"], exclude_if=_is_none)
    """In the place of an id: what it was called when it was uploaded."""
    version: Count | None = Field(default=None, examples=[3], exclude_if=_is_none)
    """Of the datasets of this name, counted from 1; the newest by default."""

    @model_validator(mode="after")
    def _is_named_once(self) -> Self:
        if self.id is None and self.name is None:
            raise invalid(("id",), "Say which dataset: by its id, or by its name", is_missing=True)
        if self.id is not None and self.name is not None:
            raise invalid(("name",), "Say which dataset by its id or by its name, not by both")
        if self.id is not None and self.version is not None:
            raise invalid(("version",), "A version belongs to a name; an id is of one version")
        return self


class DatasetReference(StoredDataset):
    """A stored dataset, and which of its columns to learn from."""

    features: Annotated[list[str], FewFaults] | None = None
    """Names of the columns that become x; all but the target by default."""
    target: str | None = None
    """Name of the column that becomes y; the last by default."""
    weights: str | None = Field(default=None, examples=["households"], exclude_if=_is_none)
    """Name of a column with how much each row counts, 0 or more; it is no feature. All count alike by default."""


def name_besides(name: str, others: Sequence[str]) -> str:
    """The name, with as many strokes behind it as tell it from others."""
    while name in others:
        name += "_"
    return name


def width_of(rows: Vector | Matrix) -> int:
    """How many features each row has: D, and 1 for plain numbers."""
    first = rows[0] if rows else 0.0
    return len(first) if isinstance(first, list) else 1


def as_matrix(rows: Vector | Matrix) -> Matrix:
    """N × D, plain numbers becoming rows of one."""
    return [row if isinstance(row, list) else [row] for row in rows]
