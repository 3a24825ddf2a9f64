"""Which columns a table becomes, and what is done where a cell has no finite number."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slope.answers.datasets import Kind
from slope.arrays import Array
from slope.spec.names import no_such
from slope.tabular.cells import as_numbers, as_words, indicators
from slope.tabular.faults import BadOption, BadTable, TableTooLarge
from slope.tabular.reading import Limits, Reading, Treatment, fold_name
from slope.tabular.source import Field, Source, check_names
from slope.tabular.summary import Moments


@dataclass(frozen=True)
class Layout:
    """The fields that are read, and the columns they become."""

    numbers: list[Field]
    categories: dict[str, list[str]]
    """The names of the values of each one-hot column, in their order."""
    spellings: dict[str, dict[str, str]]
    """The words that stand for them in the file, each with its name."""
    order: list[str]
    """The fields that are read, in the order of the table."""
    reading: Reading
    means: dict[str, float] = field(default_factory=dict)
    """What takes the place of cells without a number."""

    @property
    def names(self) -> list[str]:
        return [name for field in self.order for name in self._names_of(field)]

    def types(self) -> list[Kind]:
        kinds: dict[str, Kind] = {field.name: _kind(field) for field in self.numbers}
        return [kinds.get(field, "category") for field in self.order for _ in self._names_of(field)]

    def columns(self, batch: pa.RecordBatch, row: int) -> tuple[list[Array], list[int]]:
        """The columns that a batch becomes, which begins at a row; and the empty cells of each. Raises BadTable."""
        parts = [self._parts(batch, field, row) for field in self.order]
        treated = _Treated(self.reading, self.order, row)
        return treated.finite(parts, [self._fill(field) for field in self.order])

    def _parts(self, batch: pa.RecordBatch, field: str, row: int) -> list[Array]:
        column = batch.column(field)
        if field in self.categories:
            return indicators(as_words(column, field, row), self.spellings[field], self.categories[field])
        return [as_numbers(column, field, row)]

    def _names_of(self, field: str) -> list[str]:
        categories = self.categories.get(field)
        return [field] if categories is None else [f"{field}={value}" for value in categories]

    def _fill(self, field: str) -> float:
        return self.means.get(field, 0.0)


def layout_of(source: Source, reading: Reading, limits: Limits) -> Layout:
    """Look through the table for categories and means, where they are asked for. Raises BadTable and BadOption."""
    names = [field.name for field in source.fields]
    for name in reading.one_hot:
        if name not in names:
            raise BadOption(no_such("column", name, names, "in the table"), "one_hot")
    numbers = [field for field in source.fields if field.name not in reading.one_hot and _is_taken(field, reading)]
    taken = {field.name for field in numbers} | set(reading.one_hot)
    order = [name for name in names if name in taken]
    if not order:
        raise BadTable("The table has no column of numbers: columns of words become some by one_hot=")
    spellings = _spellings(source, reading, limits)
    categories = {name: sorted(set(words.values())) for name, words in spellings.items()}
    layout = Layout(numbers, categories, spellings, order, reading)
    check_names(layout.names, limits)
    return layout if "mean" not in (reading.nulls, reading.infinities) else _with_means(source, layout)


def _is_taken(field: Field, reading: Reading) -> bool:
    """A column of text is left out by option; otherwise it is read as numbers, and its first word reported."""
    return field.type != "text" or reading.text == "refuse"


def _spellings(source: Source, reading: Reading, limits: Limits) -> dict[str, dict[str, str]]:
    found: dict[str, set[str]] = {name: set() for name in reading.one_hot}
    row = 0
    for batch in source.batches([], list(found)) if found else ():
        for name, values in found.items():
            words = pc.unique(as_words(batch.column(name), name, row))
            values.update(word for word in words.to_pylist() if word is not None)
            if len(values) > limits.categories:
                detail = f"The column has more than {limits.categories:,} different values: leave it out of one_hot="
                raise TableTooLarge(detail, column=name)
        row += batch.num_rows
    names = {name: source.spellings(values) for name, values in found.items()}
    return {name: {word: fold_name(value) for word, value in values.items()} for name, values in names.items()}


def _with_means(source: Source, layout: Layout) -> Layout:
    moments = {field.name: Moments() for field in layout.numbers}
    row = 0
    for batch in source.batches(list(moments), []):
        for name, each in moments.items():
            values = as_numbers(batch.column(name), name, row)
            each.add(values[np.isfinite(values)])
        row += batch.num_rows
    empty = next((name for name, each in moments.items() if each.mean is None), None)
    if empty is not None:
        raise BadTable("The column has no number, and so no mean to fill it with", column=empty)
    means = {name: each.mean or 0.0 for name, each in moments.items()}
    return replace(layout, means=means)


class _Treated:
    """Deals with the cells of a batch that have no finite number."""

    def __init__(self, reading: Reading, fields: Sequence[str], row: int) -> None:
        self._reading = reading
        self._fields = fields
        self._row = row

    def finite(self, parts: list[list[Array]], fills: list[float]) -> tuple[list[Array], list[int]]:
        columns = [column for part in parts for column in part]
        if all(_are_finite(column) for column in columns):
            return columns, [0] * len(columns)
        nulls = [np.isnan(part[0]) for part in parts]
        infinite = [np.isinf(part[0]) for part in parts]
        self._refuse(
            nulls,
            self._reading.nulls,
            "The cell has no number: it is empty, or has a word that counts as empty, as NA does; fill such cells by"
            " nulls=mean or nulls=zero, or leave their rows out by nulls=drop",
        )
        self._refuse(
            infinite,
            self._reading.infinities,
            "The number is not finite; fill such cells by infinities=mean or zero, or leave their rows out by"
            " infinities=drop",
        )
        kept = self._kept(nulls, infinite, len(columns[0]))
        counts = [int(missing.sum()) for missing, part in zip(nulls, parts, strict=True) for _ in part]
        filled = [
            np.where(missing | beyond, fill, column)[kept]
            for part, missing, beyond, fill in zip(parts, nulls, infinite, fills, strict=True)
            for column in part
        ]
        return filled, counts

    def _refuse(self, masks: Sequence[Array], treatment: Treatment, detail: str) -> None:
        """Tell of the first row that has one, and there of the first column."""
        if treatment != "refuse":
            return
        found = [(int(mask.argmax()), index) for index, mask in enumerate(masks) if mask.any()]
        if found:
            row, index = min(found)
            raise BadTable(detail, row=self._row + row, column=self._fields[index])

    def _kept(self, nulls: Sequence[Array], infinite: Sequence[Array], rows: int) -> Array:
        dropped = np.zeros(rows, bool)
        for masks, treatment in ((nulls, self._reading.nulls), (infinite, self._reading.infinities)):
            for mask in masks if treatment == "drop" else ():
                dropped |= mask
        return np.asarray(~dropped)


def _are_finite(values: Array) -> bool:
    return bool(np.isfinite(values).all())


def _kind(field: Field) -> Kind:
    return "number" if field.type == "text" else field.type
