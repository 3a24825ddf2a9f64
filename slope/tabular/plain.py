"""Arrow's columns without what only says how their values are laid out: runs, dictionaries, views, names of types."""

import pyarrow as pa
import pyarrow.compute as pc


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    return _with_kernels(kind)


def plain_column(column: pa.Array) -> pa.Array:
    """The same values one after the other. Dictionaries of two batches may differ, and then cannot be put together."""
    if isinstance(column, pa.ExtensionArray):
        return plain_column(column.storage)
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, plain_column(column.dictionary)).dictionary_decode()
    if pa.types.is_run_end_encoded(column.type):
        runs = pa.RunEndEncodedArray.from_arrays(column.run_ends, plain_column(column.values))
        return pc.run_end_decode(runs.slice(column.offset, len(column)))
    kind = _with_kernels(column.type)
    return column if kind == column.type else pc.cast(column, kind)


def _with_kernels(kind: pa.DataType) -> pa.DataType:
    """Arrow has more functions for the older types."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(38, kind.scale)
    return kind
