"""Statistics as text and as CSV."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any


def rows_as_csv(kind: type[Any], rows: Iterable[Any]) -> str:
    """Dataclasses of one kind, a line each; what is not there is an empty cell. Numbers come back to the bit."""
    written = io.StringIO()
    writer = csv.DictWriter(written, [field.name for field in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, rows))
    return written.getvalue()
