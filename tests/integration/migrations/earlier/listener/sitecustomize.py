"""Loaded by every Python process of earlier code, which statements.py starts: notes what goes to the database."""

import json
import os
from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

_FILE = Path(os.environ["SLOPE_STATEMENTS"])


def _plain(value: Any) -> Any:
    """Of values that JSON has not, with their kind."""
    if isinstance(value, bytes | memoryview):
        return {"bytes": b64encode(value).decode()}
    for kind in (datetime, UUID):
        if isinstance(value, kind):
            return {kind.__name__: str(value)}
    if isinstance(value, timedelta):
        return {"timedelta": value.total_seconds()}
    return {"wrapped": value.obj}  # psycopg's Jsonb and Binary


@event.listens_for(Engine, "before_cursor_execute")
def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
    line = json.dumps({"statement": statement, "parameters": parameters, "many": many}, default=_plain)
    with _FILE.open("a") as file:  # one write at its end: processes do not mix
        file.write(f"{line}\n")
