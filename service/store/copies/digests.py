"""What a table says, as one hash: the same for a copy and for the table that was made of it, in either database."""

import hashlib
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.store.copies.kinds import finite_or_nan


class TableDigest:
    """Is told the rows of a table in their order, in batches of any length."""

    def __init__(self) -> None:
        self.rows = 0
        self._hashes: dict[str, Any] = defaultdict(hashlib.sha256)

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self._add(name, column)

    def hexdigest(self) -> str:
        whole = hashlib.sha256()
        for name, each in sorted(self._hashes.items()):
            whole.update(f"{name} {each.hexdigest()}\n".encode())
        return whole.hexdigest()

    def _add(self, name: str, column: pa.Array) -> None:
        """Which values are null, how long each is where that varies, and their bits.

        SQLite has null for NaN, and no sign at a zero that is not in a vector: neither is looked at.
        """
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        self._hashes[f"{name}: null"].update(_bits(column.is_null().cast(pa.uint8())))
        values = column.drop_null()
        if pa.types.is_list(column.type):
            self._hashes[f"{name}: length"].update(_bits(pc.list_value_length(values)))
            numbers = finite_or_nan(values.flatten().to_numpy(zero_copy_only=False))
            self._hashes[name].update(numbers.tobytes())
        elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            self._hashes[f"{name}: length"].update(_bits(pc.binary_length(values)))
            self._hashes[name].update(b"".join(values.cast(pa.binary()).to_pylist()))
        else:
            self._hashes[name].update(_bits(_as_numbers(values)))


def _as_numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values.cast(pa.uint8())
    if pa.types.is_floating(values.type):
        return pc.add(values, 0.0)  # −0.0 becomes 0.0
    return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values


def _bits(values: pa.Array) -> bytes:
    found: bytes = np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes()
    return found
