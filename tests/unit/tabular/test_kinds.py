"""Files of every kind: each type that Arrow and Parquet have is read or left out, and what is no table is called so."""

import gzip
import io
import pickle
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from slope.arrays import Array
from slope.tabular.faults import BadTable
from slope.tabular.ingest import ingest
from slope.tabular.isolated import Allowance, Encoding, Sent, ingest_isolated
from slope.tabular.reading import Format, Limits, Reading
from slope.tabular.stored import read
from slope.tabular.summary import Summary

FEW = Limits(row_bytes=256)
"""Of which a few lines are a block."""
WORDS = ["u", "v", "u"]
DECIMALS = [Decimal("1.10"), Decimal("2.20"), Decimal(3)]


def taken(
    folder: Path, body: bytes, format: Format, limits: Limits | None = None, **options: Any
) -> tuple[Summary, Array]:
    """What is said of a file, and its rows."""
    source, target = folder / "body", folder / "table"
    source.write_bytes(body)
    summary = ingest(source, format, target, Reading(**options), limits or Limits())
    with pa.OSFile(str(target)) as file:
        return summary, np.vstack(list(read(file, [column.name for column in summary.columns])))


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def as_arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def written(values: pa.Array, format: Format) -> bytes:
    table = pa.table([values, pa.array([1.0, 2.0, 3.0])], names=["a", "y"])
    try:
        return as_parquet(table) if format == "parquet" else as_arrow(table)
    except (pa.ArrowException, OSError, ValueError):
        pytest.skip(f"Arrow writes no {format} of this type")


def coded(values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), values)


def runs(values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), values)


NUMBERS = {
    "float16": (pa.array(np.array([1, 2, 0.5], np.float16)), [1.0, 2.0, 0.5]),
    "uint64": (pa.array([2**64 - 2048, 1, 2], pa.uint64()), [2.0**64 - 2048, 1.0, 2.0]),
    "decimal32": (pa.array(DECIMALS, pa.decimal32(7, 2)), [1.1, 2.2, 3.0]),
    "decimal64": (pa.array(DECIMALS, pa.decimal64(7, 2)), [1.1, 2.2, 3.0]),
    "decimal256": (pa.array(DECIMALS, pa.decimal256(40, 2)), [1.1, 2.2, 3.0]),
    "hundreds": (pa.array([Decimal(1200), Decimal(2300), Decimal(300)], pa.decimal128(5, -2)), [1200.0, 2300.0, 300.0]),
    "runs": (runs(pa.array([1.5, 2.5])), [1.5, 1.5, 2.5]),
    "dictionary": (coded(pa.array([1.5, 2.5])), [1.5, 2.5, 1.5]),
    "dictionary of decimals": (coded(pa.array(DECIMALS[:2])), [1.1, 2.2, 1.1]),
    "dictionary of truths": (coded(pa.array([True, False])), [1.0, 0.0, 1.0]),
    "extension": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1, 1], pa.int8())), [0.0, 1.0, 1.0]),
}
CATEGORIES = {
    "view": pa.array(WORDS, pa.string_view()),
    "binary": pa.array([b"u", b"v", b"u"]),
    "binary view": pa.array([b"u", b"v", b"u"], pa.binary_view()),
    "binary of one length": pa.array([b"u", b"v", b"u"], pa.binary(1)),
    "large": pa.array(WORDS, pa.large_string()),
    "large binary": pa.array([b"u", b"v", b"u"], pa.large_binary()),
    "dictionary": coded(pa.array(["u", "v"])),
    "dictionary of large": coded(pa.array(["u", "v"], pa.large_string())),
    "dictionary of views": coded(pa.array(["u", "v"], pa.string_view())),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3], pa.int16()), pa.array(WORDS, pa.string_view())),
    "extension": pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "t", "v"), pa.array(WORDS)),
}
LEFT_OUT = CATEGORIES | {
    "interval": pa.array([(1, 2, 3), (1, 2, 3), (0, 0, 1)], pa.month_day_nano_interval()),
    "duration": pa.array([1, 2, 3], pa.duration("s")),
    "timestamp": pa.array([1, 2, 3], pa.timestamp("us", "Europe/Oslo")),
    "date": pa.array([1, 2, 3], pa.date32()),
    "time": pa.array([1, 2, 3], pa.time64("ns")),
    "list": pa.array([[1], [2, 3], None]),
    "large list": pa.array([[1], [2, 3], None], pa.large_list(pa.int64())),
    "view of lists": pa.array([[1], [2, 3], []], pa.list_view(pa.int64())),
    "list of one length": pa.array([[1], [2], [3]], pa.list_(pa.int64(), 1)),
    "struct": pa.array([{"b": 1, "c": "w"}] * 3),
    "map": pa.array([[("b", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
    "union": pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(WORDS)]),
    "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((3, 2))),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\xff" * 16] * 3, pa.binary(16))),
}
COLUMNAR: list[Format] = ["parquet", "arrow"]


@pytest.mark.parametrize("format", COLUMNAR)
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type_become_float64(tmp_path: Path, kind: str, format: Format) -> None:
    values, expected = NUMBERS[kind]

    _, rows = taken(tmp_path, written(values, format), format)

    assert rows[:, 0].tolist() == expected


@pytest.mark.parametrize("format", COLUMNAR)
@pytest.mark.parametrize("kind", CATEGORIES)
def test_words_of_every_type_become_categories(tmp_path: Path, kind: str, format: Format) -> None:
    summary, rows = taken(tmp_path, written(CATEGORIES[kind], format), format, one_hot=("a",))

    assert [column.name for column in summary.columns] == ["a=u", "a=v", "y"]
    assert rows[:, :2].tolist() == [[1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("format", COLUMNAR)
@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_is_no_number_can_be_left_out_whatever_type_it_has(tmp_path: Path, kind: str, format: Format) -> None:
    summary, _ = taken(tmp_path, written(LEFT_OUT[kind], format), format, text="drop")
    with pytest.raises(BadTable, match="text=drop") as refused:
        taken(tmp_path, written(LEFT_OUT[kind], format), format)

    assert [column.name for column in summary.columns] == ["y"]
    assert refused.value.column == "a"


@pytest.mark.parametrize("format", COLUMNAR)
def test_a_column_of_nothing_has_no_categories(tmp_path: Path, format: Format) -> None:
    summary, _ = taken(tmp_path, written(pa.nulls(3), format), format, one_hot=("a",), nulls="zero")

    assert [column.name for column in summary.columns] == ["y"]


NESTED: dict[Format, bytes] = {
    "json": b'[{"a":{"b":[1]},"x":1,"y":2},{"x":2,"y":3},{"a":[[1,2],{}],"x":4,"y":5}]',
    "ndjson": b'{"a":{"b":[1]},"x":1,"y":2}\n{"x":2,"y":3}\n{"a":[[1,2],{}],"x":4,"y":5}\n',
}


@pytest.mark.parametrize("format", NESTED)
def test_values_within_values_can_be_left_out_of_json(tmp_path: Path, format: Format) -> None:
    _, rows = taken(tmp_path, NESTED[format], format, text="drop")
    with pytest.raises(BadTable, match="text=drop"):
        taken(tmp_path, NESTED[format], format)
    with pytest.raises(BadTable, match="values within values"):
        taken(tmp_path, NESTED[format], format, text="drop", one_hot=("a",))

    assert rows.tolist() == [[1, 2], [2, 3], [4, 5]]


def test_a_nested_field_of_ndjson_may_come_late(tmp_path: Path) -> None:
    body = b'{"x":1,"y":2}\n' * 100 + b'{"a":{"b":[1]},"x":1,"y":3}\n{"a":[1],"x":1,"y":4,"z":1}\n'

    summary, _ = taken(tmp_path, body, "ndjson", text="drop", nulls="zero", limits=FEW)

    assert [(column.name, column.nulls) for column in summary.columns] == [("x", 0), ("y", 0), ("z", 101)]


FOLDED: dict[Format, bytes] = {
    "csv": '"Price\n(EUR)","a\u00a0b "\n1,2\n'.encode(),
    "json": '{"Price\\n(EUR)":[1],"a\u00a0b ":[2]}'.encode(),
    "ndjson": '{"Price\\n(EUR)":1,"a\u00a0b ":2}\n'.encode(),
    "parquet": as_parquet(pa.table({"Price\n(EUR)": [1], "a\u00a0b ": [2]})),
    "arrow": as_arrow(pa.table({"Price\n(EUR)": [1], "a\u00a0b ": [2]})),
}


@pytest.mark.parametrize("format", FOLDED)
def test_white_space_in_names_is_folded_in_every_format(tmp_path: Path, format: Format) -> None:
    summary, rows = taken(tmp_path, FOLDED[format], format, header=True)

    assert [column.name for column in summary.columns] == ["Price (EUR)", "a b"]
    assert rows.tolist() == [[1, 2]]


class _Keys(encryption.KmsClient):
    def wrap_key(self, key_bytes: bytes, _master_key_identifier: str) -> bytes:
        return key_bytes.hex().encode()

    def unwrap_key(self, wrapped_key: bytes, _master_key_identifier: str) -> bytes:
        return bytes.fromhex(wrapped_key.decode())


@pytest.mark.parametrize("is_footer_plain", [False, True])
def test_an_encrypted_file_is_called_that(tmp_path: Path, is_footer_plain: bool) -> None:
    factory = encryption.CryptoFactory(lambda _: _Keys())
    wanted = encryption.EncryptionConfiguration("f", column_keys={"c": ["a"]}, plaintext_footer=is_footer_plain)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), wanted)

    with pytest.raises(BadTable, match="encrypted"):
        taken(tmp_path, as_parquet(pa.table({"a": [1], "b": [2]}), encryption_properties=properties), "parquet")


def archive(**members: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        for name, text in members.items():
            file.writestr(name.replace("__", "/"), text)
    return sink.getvalue()


OTHERS = {
    "zip archive": archive(rents="a,b"),
    "xlsx": archive(xl__workbook="w"),
    "ods": archive(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
    "npz": archive(**{"x.npy": "n"}),
    "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "pickle": pickle.dumps({"a": [1, 2]}),
    "Feather of version 1": b"FEA1" + bytes(100) + b"FEA1",
    "ORC": b"ORC" + bytes(100),
    "PDF": b"%PDF-1.7\nstream",
    "HTML": b"\n<!DOCTYPE html>\n<html></html>",
    "Parquet": as_parquet(pa.table({"a": [1]})),
    "gzip": gzip.compress(b"a\n1\n"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("format", ["csv", "json", "arrow"])
def test_what_is_another_kind_of_file_is_called_that(tmp_path: Path, kind: str, format: Format) -> None:
    with pytest.raises(BadTable, match=f"The file is .*{kind}"):
        taken(tmp_path, OTHERS[kind], format)


@pytest.mark.parametrize("name", ["ORC", "PAR1", "ARROW1", "FEA1", "RDX", "BZh", "PK"])
def test_the_name_of_a_column_is_no_signature(tmp_path: Path, name: str) -> None:
    summary, _ = taken(tmp_path, f"{name},y\n1,2\n".encode(), "csv")

    assert [column.name for column in summary.columns] == [name, "y"]


def unpacked(tmp_path: Path, body: bytes, encoding: Encoding = "gzip") -> Summary:
    path = tmp_path / "sent"
    path.write_bytes(body)
    allowance = Allowance(Limits(), 512 * 1024 * 1024, 60)
    return ingest_isolated(Sent(path, "csv", encoding, Reading()), tmp_path / "table", allowance)


def test_gzip_may_have_several_members_and_zeros_behind(tmp_path: Path) -> None:
    several = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")

    assert [unpacked(tmp_path, several + bytes(zeros)).rows for zeros in (0, 1, 512)] == [2, 2, 2]
    for bad in (several[:-1], several + b"x", several[:30], b"a,b\n1,2\n"):
        with pytest.raises(BadTable, match="damaged or cut short"):
            unpacked(tmp_path, bad)
