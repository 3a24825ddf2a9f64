"""How many values a body has, counted before any of them is made: compressed, 64 KB may hold 33 million."""

from service.errors import TableTooLarge

MAX_VALUES = 1_000_000
"""Of a body that is read for its predictions. In lists and objects of their own they take about 200 MB."""


def refuse_many_values(text: bytes) -> None:
    """A value of JSON follows a comma or what opens a list or an object. Raises TableTooLarge."""
    if len(text) > MAX_VALUES:
        _refuse_beyond(sum(map(text.count, (b",", b"[", b"{"))), "commas and opening brackets")


def refuse_many_cells(text: bytes) -> None:
    """A cell of CSV is before a comma or the end of a line. Raises TableTooLarge."""
    if len(text) > MAX_VALUES:
        ends = text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
        _refuse_beyond(text.count(b",") + ends, "commas and ends of lines")


def _refuse_beyond(values: int, signs: str) -> None:
    if values > MAX_VALUES:
        detail = f"The body has {values:,} values by its {signs}; {MAX_VALUES:,} are allowed"
        raise TableTooLarge(f"{detail}: send fewer rows at a time, or upload a dataset and predict that")
