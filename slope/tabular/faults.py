"""What can be wrong with a table, and where."""

import re

_NOT_FINITE = re.compile(rb"[\[:,]\s*-?(NaN|Infinity)\s*[\],}]")


class BadTable(Exception):
    """Something in a table that cannot be taken, and in which row (from 0, a header apart) and column, if in one."""

    def __init__(self, detail: str, *, row: int | None = None, column: str | None = None) -> None:
        place = [f"row {row}"] if row is not None else []
        place += [f'column "{column}"'] if column is not None else []
        where = ", ".join(place)
        super().__init__(f"{where[0].upper()}{where[1:]}: {detail}" if where else detail)
        self.detail = str(self)
        self.row = row
        self.column = column

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.detail, self.row, self.column)


class WordFound(BadTable):
    """A word where a number should be."""


class TableTooLarge(BadTable):
    """A table, or a part of one, beyond what is allowed."""


class BadOption(Exception):
    """An option that does not fit the table."""

    def __init__(self, detail: str, option: str) -> None:
        super().__init__(detail, option)
        self.detail = detail
        self.option = option


def nested_values(column: str, row: int | None = None) -> BadTable:
    """A column of lists or objects, where it is not left out."""
    return BadTable("The column has values within values: text=drop leaves it out", row=row, column=column)


def not_json(text: bytes) -> BadTable:
    """Of a document that cannot be read, with what Python's json writes for numbers that are not finite."""
    also = ": NaN and Infinity are not JSON, where null stands for nothing" if _NOT_FINITE.search(text) else ""
    return BadTable(f"The file cannot be read as JSON{also}")


def _again(kind: type[BadTable], detail: str, row: int | None, column: str | None) -> BadTable:
    """The same fault in another process."""
    fault = kind(detail)
    fault.row, fault.column = row, column
    return fault
