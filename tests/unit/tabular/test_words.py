"""What a table says in words: categories, charsets, headers and the index of a frame, the same in every format."""

import codecs
import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from slope.tabular.faults import BadOption, BadTable
from slope.tabular.ingest import ingest
from slope.tabular.reading import FORMATS, Format, Limits, Reading
from slope.tabular.stored import read_rows
from slope.tabular.text import codec_of

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def taken(folder: Path, body: bytes, format: Format, **options: Any) -> dict[str, list[float]]:
    source, target = folder / "body", folder / "table"
    source.write_bytes(body)
    summary = ingest(source, format, target, Reading(**options), Limits())
    names = [column.name for column in summary.columns]
    with pa.OSFile(str(target)) as file:
        matrix = read_rows(file, names, range(summary.rows))
    return dict(zip(names, matrix.T.tolist(), strict=True))


def written(table: dict[str, list[Any]], format: Format) -> bytes:
    rows = list(zip(*table.values(), strict=True))
    if format == "csv":
        text = io.StringIO(newline="")
        shown = [["" if cell is None else cell for cell in row] for row in rows]
        csv.writer(text).writerows([list(table), *shown])
        return text.getvalue().encode()
    if format == "ndjson":
        return "\n".join(json.dumps(dict(zip(table, row, strict=True))) for row in rows).encode()
    if format == "json":
        return json.dumps(table).encode()
    sink = pa.BufferOutputStream()
    whole = pa.table(table)
    if format == "parquet":
        pq.write_table(whole, sink)
    else:
        with pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole, max_chunksize=2)
    return bytes(sink.getvalue())


kinds: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**62), 2**62),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text("abcdeé xyz", min_size=1, max_size=5).map(lambda word: "w" + word + "w"),
]


@some
@given(st.sampled_from(kinds).flatmap(lambda kind: st.lists(st.none() | kind, min_size=1, max_size=12)))
@example([1234567, 1234568, 1234567])
@example([2**53, 2**53 + 1])
@example([0.1, 1.0, 1e16, 1e21, 1e-7, -0.0])
@example([True, None, False])
def test_categories_have_the_same_names_in_every_format(tmp_path: Path, values: list[Any]) -> None:
    if all(value is None for value in values):
        values = [*values, "w"]
    table = {"code": values, "y": list(range(len(values)))}

    found = [
        taken(tmp_path, written(table, each), each, one_hot=("code",), nulls="drop", header=True) for each in FORMATS
    ]

    assert found[1:] == found[:-1]
    assert len(found[0]) - 1 == len({value for value in values if value is not None}), "one for each value"


@pytest.mark.parametrize("format", FORMATS)
def test_a_number_is_called_by_its_shortest_decimal(tmp_path: Path, format: Format) -> None:
    def names(values: list[Any]) -> list[str]:
        table = {"a": values, "y": list(range(len(values)))}
        return list(taken(tmp_path, written(table, format), format, one_hot=("a",)))[:-1]

    assert names([1234567, 1234568]) == ["a=1234567", "a=1234568"]
    assert names([0.1, 1.0, 2.5]) == ["a=0.1", "a=1", "a=2.5"]
    assert names([True, False]) == ["a=false", "a=true"]


def test_codes_that_begin_with_a_zero_stay_as_they_are_written(tmp_path: Path) -> None:
    assert list(taken(tmp_path, b"zip,y\n01067,1\n1067,2\n", "csv", one_hot=("zip",))) == ["zip=01067", "zip=1067", "y"]
    single = pa.table({"a": pa.array([0.1, 0.2], pa.float32()), "y": [1, 2]})
    sink = pa.BufferOutputStream()
    pq.write_table(single, sink)
    assert list(taken(tmp_path, bytes(sink.getvalue()), "parquet", one_hot=("a",))) == ["a=0.1", "a=0.2", "y"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"1,NA,3\n4,5,6\n", ["c0", "c1", "c2"]),
        (b"1,NULL\n4,5\n", ["c0", "c1"]),
        (b"true,1\nfalse,2\n", ["c0", "c1"]),
        (b"a,b\nNA,1\n2,3\n", ["a", "b"]),
        (b"a,true\n1,2\n", ["a", "true"]),
        (b"year,2019,2020\n1,2,3\n", ["year", "2019", "2020"]),
        (b"M,0.455,15\nM,0.35,7\nF,0.53,9\n", ["c1", "c2"]),
        (b"x1,0.455,15\nx2,0.35,7\n", ["c1", "c2"]),
        (b"city,rent\nRome,1\nOslo,2\n", ["rent"]),
    ],
)
def test_a_header_is_told_by_the_rows_below_it(tmp_path: Path, body: bytes, names: list[str]) -> None:
    found = taken(tmp_path, body, "csv", nulls="zero", text="drop")

    assert list(found) == names
    lines = body.count(b"\n")
    assert len(found[names[0]]) == (lines if names[0].startswith("c") else lines - 1)


@pytest.mark.parametrize("body", [b"?,0.5\n1,0.7\n", b"country,1990,1991\nNamibia,1,2\n", b"a,k\n1,k\n"])
def test_what_may_be_a_header_or_a_row_is_asked_for(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BadOption, match="header=true"):
        taken(tmp_path, body, "csv", text="drop")


CHARSETS = ["utf-8", "utf-16-le", "iso-8859-1", "windows-1252", "koi8-r", "shift_jis"]


@some
@given(
    st.sampled_from(CHARSETS),
    st.sampled_from(["csv", "ndjson", "json"]),
    st.text("aé°ß€я表", min_size=1),
    st.booleans(),
)
@example("iso-8859-1", "csv", "ß°", False)
def test_text_comes_in_any_charset_or_the_first_bad_byte_is_told(
    tmp_path: Path, charset: str, format: Format, name: str, declared: bool
) -> None:
    text = written({name: [1.5, 2.5], "y": [1, 2]}, format).decode()
    if format != "csv":
        text = json.dumps(json.loads(text), ensure_ascii=False) if format == "json" else text.encode().decode("utf-8")
    try:
        body = text.encode(charset)
    except UnicodeEncodeError:
        return
    try:
        whole = body.decode("utf-8")
    except UnicodeDecodeError as error:
        if not declared:
            with pytest.raises(BadTable, match=f"byte at {error.start:,} .*UTF-8.*charset="):
                taken(tmp_path, body, format)
            return
    else:
        if not declared and whole != text:
            return  # bytes of another charset that happen to be UTF-8, as those of "ß°" in Latin-1
    assert list(taken(tmp_path, body, format, charset=charset if declared else None, header=True)) == [name, "y"]


@pytest.mark.parametrize("format", ["csv", "ndjson", "json"])
def test_a_byte_order_mark_belongs_to_no_name(tmp_path: Path, format: Format) -> None:
    body = codecs.BOM_UTF8 + written({"a": [1, 2], "b": [3, 4]}, format)

    assert taken(tmp_path, body, format) == {"a": [1, 2], "b": [3, 4]}


@pytest.mark.parametrize("charset", ["utf-16", "utf-32"])
@pytest.mark.parametrize("format", ["csv", "ndjson", "json"])
def test_a_byte_order_mark_tells_the_charset(tmp_path: Path, format: Format, charset: str) -> None:
    body = written({"a": [1, 2], "b": [3, 4]}, format).decode().encode(charset)

    assert taken(tmp_path, body, format) == {"a": [1, 2], "b": [3, 4]}


@pytest.mark.parametrize(
    ("body", "charset", "offset"),
    [
        (b"a\xb0,b\n1,2\n", None, "1 "),
        (b"a,b\n" + b"1,2\n" * 300_000 + b"3,\xe9\n", None, "1,200,006 "),
        (b"a,b\n1,\x81\n", "windows-1252", "6 "),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "utf-16", "16 "),
        ("a,b\n1,2\n".encode("utf-16-le"), None, "1 "),
    ],
)
def test_a_byte_that_is_no_text_is_told_by_its_place(
    tmp_path: Path, body: bytes, charset: str | None, offset: str
) -> None:
    with pytest.raises(BadTable, match=f"byte at {offset}"):
        taken(tmp_path, body, "csv", charset=charset)


def test_a_charset_whose_order_of_bytes_is_not_told_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match=r"utf-16: .*BOM"):
        taken(tmp_path, b"a,b\n1,2\n", "csv", charset="utf-16")


def test_a_charset_is_one_of_characters() -> None:
    assert [codec_of(name) for name in ("latin-1", "Windows-1252", "UTF8")] == ["iso8859-1", "cp1252", "utf-8"]
    assert [codec_of(name) for name in ("rot13", "base64", "idna", "unicode_escape", "none", "\0")] == [None] * 6


def _framed(index: list[str]) -> pa.Table:
    table = pa.table({"hours": [1.0, 2.0], "score": [3.0, 5.0], "id": [7, 3]})
    return table.replace_schema_metadata({"pandas": json.dumps({"index_columns": index, "columns": []})})


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_the_index_of_a_frame_is_left_out_and_said_unless_it_is_asked_for(tmp_path: Path, format: Format) -> None:
    sink = pa.BufferOutputStream()
    table = _framed(["id", {"kind": "range"}, "none"])  # type: ignore[list-item]
    if format == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    body = bytes(sink.getvalue())

    assert list(taken(tmp_path, body, format)) == ["hours", "score"]
    assert list(taken(tmp_path, body, format, index="keep")) == ["hours", "score", "id"]
    assert list(taken(tmp_path, body, format, one_hot=("id",))) == ["hours", "score", "id=3", "id=7"]
    notes = ingest(tmp_path / "body", format, tmp_path / "table", Reading(), Limits()).notes
    assert len(notes) == 1
    assert '"id"' in notes[0]
    assert "index=keep" in notes[0]


def test_metadata_that_is_none_of_pandas_is_no_index(tmp_path: Path) -> None:
    for said in (b"no JSON", b"[]", b'{"index_columns": 1}'):
        sink = pa.BufferOutputStream()
        pq.write_table(_framed([]).replace_schema_metadata({"pandas": said}), sink)
        assert list(taken(tmp_path, bytes(sink.getvalue()), "parquet")) == ["hours", "score", "id"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b",a,b\n0,1,2\n1,3,5\n", {"a": [1, 3], "b": [2, 5]}),
        (b"a,b,\n1,2,\n3,5,\n", {"a": [1, 3], "b": [2, 5]}),
        (b'"Price\n(EUR)",x\xc2\xa0y\n1,2\n3,4\n', {"Price (EUR)": [1, 3], "x y": [2, 4]}),
        (b"1,2,\n3,5,\n", {"c0": [1, 3], "c1": [2, 5]}),
    ],
)
def test_columns_without_a_name_that_nobody_meant_are_left_out_and_white_space_is_folded(
    tmp_path: Path, body: bytes, found: dict[str, list[float]]
) -> None:
    assert taken(tmp_path, body, "csv") == found


@pytest.mark.parametrize("body", [b"a,b,\n1,2,3\n", b"a,b,\n" + b"1,2,\n" * 150 + b"1,2,3\n", b"a,,c\n1,2,3\n"])
def test_a_column_that_has_no_name_but_numbers_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BadTable, match="has no name"):
        taken(tmp_path, body, "csv")


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_an_index_that_was_read_from_csv_without_a_name_is_left_out_and_said(tmp_path: Path, format: Format) -> None:
    """As polars and Arrow read what pandas writes by `to_csv`."""
    body = written({"": [0, 1], "a": [1, 3], "b": [2, 5]}, format)

    assert taken(tmp_path, body, format) == {"a": [1, 3], "b": [2, 5]}
    notes = ingest(tmp_path / "body", format, tmp_path / "table", Reading(), Limits()).notes
    assert ["no name" in note for note in notes] == [True]
    with pytest.raises(BadTable, match="Column 1 has no name"):
        taken(tmp_path, written({"a": [1, 3], "": [0, 1]}, format), format)


@pytest.mark.parametrize("format", FORMATS)
def test_white_space_in_the_names_of_categories_is_folded(tmp_path: Path, format: Format) -> None:
    table = {"town": ["New\nYork", " New  York", "Bonn"], "y": [1, 2, 3]}

    found = taken(tmp_path, written(table, format), format, one_hot=("town",))

    assert found == {"town=Bonn": [0, 0, 1], "town=New York": [1, 1, 0], "y": [1, 2, 3]}


def test_an_index_without_a_name_is_said_to_be_left_out_and_can_be_kept(tmp_path: Path) -> None:
    assert list(taken(tmp_path, b",a\n5,1\n6,2\n", "csv", index="keep")) == ["index", "a"]
    taken(tmp_path, b",a,\n5,1,\n6,2,\n", "csv")
    notes = ingest(tmp_path / "body", "csv", tmp_path / "table", Reading(), Limits()).notes
    assert ["index" in note for note in notes] == [True, False]


@pytest.mark.parametrize(
    "body",
    [
        b'"fixed acidity";"quality"\n7.4;5\n7.8;5\n',
        b"a\tb\n1\t2\n",
        b"sep=;\na;b\n1;2\n",
        b"1;2\n3;4\n",
        b"a;b\n1,5;2\n1;2\n",
        b"a b\n1 2\n3 4.5\n",
        b" 1  2\n 3  4\n",
        b'"speed" "dist"\n"1" 4 2\n"2" 4 10\n',
    ],
)
def test_another_delimiter_is_noticed(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BadOption) as told:
        taken(tmp_path, body, "csv")
    assert told.value.option == "delimiter"


@pytest.mark.parametrize("body", [b'{"a": {"0": 1, "1": 2}}', b'{"a": 1}'], ids=["to_json of pandas", "a number"])
def test_columns_that_are_no_lists_are_told_how_pandas_writes_those(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BadTable, match=r"to_dict\('list'\)"):
        taken(tmp_path, body, "json")


def test_a_decimal_comma_beside_another_delimiter_is_told_with_it(tmp_path: Path) -> None:
    with pytest.raises(BadOption) as told:
        taken(tmp_path, b"a;b\n1,5;2,25\n1;2\n", "csv")
    assert "decimal=," in told.value.detail
    assert taken(tmp_path, b"a;b\n1,5;2,25\n1;2\n", "csv", delimiter=";", decimal=",") == {
        "a": [1.5, 1],
        "b": [2.25, 2],
    }


@pytest.mark.parametrize("body", [b'x,y\n"1,5","2,25"\n"3,0","4,5"\n', b'x,y\n"1,5",2\n"3,0",4\n'])
def test_quoted_decimal_commas_between_commas_are_told_with_the_delimiter(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BadOption) as told:
        taken(tmp_path, body, "csv", delimiter=";", decimal=",")
    assert told.value.option == "delimiter"
    assert "say delimiter=, besides decimal=," in told.value.detail
    assert taken(tmp_path, body, "csv", delimiter=",", decimal=",")["x"] == [1.5, 3]


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("7 %", "signs and units"),
        ("€7.50", "signs and units"),
        ("7 kg", "signs and units"),
        ("\u22127", "minus sign"),
        ("1,234.5", "thousands="),
    ],
)
def test_a_number_with_something_around_it_is_told_what_to_do_with_that(tmp_path: Path, cell: str, remedy: str) -> None:
    with pytest.raises(BadTable, match=remedy):
        taken(tmp_path, f'a,b\n1,2\n"{cell}",3\n'.encode(), "csv")


def test_a_number_with_a_unit_is_told_what_to_do_with_that_in_json_too(tmp_path: Path) -> None:
    for format in ("json", "ndjson", "parquet"):
        with pytest.raises(BadTable, match="leave signs and units to the column's name, or make columns") as told:
            taken(tmp_path, written({"a": [1, 2], "b": [None, "3 kg"]}, format), format)
        assert (told.value.row, told.value.column) == (1, "b")
    with pytest.raises(BadTable, match="not a number: make columns"):
        taken(tmp_path, written({"b": ["kg"]}, "json"), "json")


@pytest.mark.parametrize("number", ["NaN", "-Infinity"])
def test_numbers_that_json_has_not_are_told_with_what_it_has(tmp_path: Path, number: str) -> None:
    with pytest.raises(BadTable, match="null stands for nothing"):
        taken(tmp_path, f'[{{"a": 1, "b": {number}}}]'.encode(), "json")


@pytest.mark.parametrize(
    ("body", "remedies"),
    [
        (b"city,rent\nBonn,8\nBerlin,9\n", ("one_hot=", "text=drop")),
        (b"a,b\n1,2\n,3\n", ("nulls=mean", "nulls=zero", "nulls=drop")),
        (b"a,b\n1,2\ninf,3\n", ("infinities=drop",)),
    ],
)
def test_a_cell_without_a_number_is_told_with_the_options_there_are(
    tmp_path: Path, body: bytes, remedies: tuple[str, ...]
) -> None:
    with pytest.raises(BadTable) as told:
        taken(tmp_path, body, "csv")
    assert all(remedy in told.value.detail for remedy in remedies)


def test_a_column_to_split_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadOption) as told:
        taken(tmp_path, b"city,rent\nBonn,8\nBerlin,9\n", "csv", one_hot=("City",))
    assert "did you mean `city`?" in told.value.detail


def test_words_for_nothing_are_named(tmp_path: Path) -> None:
    body = b"mpg,hp\n18,130\n25,?\n-,165\n"

    with pytest.raises(BadTable, match="missing="):
        taken(tmp_path, body, "csv")
    assert taken(tmp_path, body, "csv", nulls="zero", missing=("?", "-")) == {"mpg": [18, 25, 0], "hp": [130, 0, 165]}


def test_a_column_without_a_number_has_no_mean(tmp_path: Path) -> None:
    with pytest.raises(BadTable) as told:
        taken(tmp_path, b"a,e\n1,\n2,\n", "csv", nulls="mean")
    assert told.value.column == "e"


def test_decimals_are_rounded_to_the_nearest_double(tmp_path: Path) -> None:
    values = [Decimal("106832.04"), Decimal("7846183.89"), Decimal("0.10"), None, Decimal("-99999999.99")]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": values}), sink)

    found = taken(tmp_path, bytes(sink.getvalue()), "parquet", nulls="drop")

    assert found == {"a": [float(value) for value in values if value is not None]}


@pytest.mark.parametrize("kind", [pa.decimal128(38, 0), pa.decimal256(60, 0)], ids=str)
def test_a_decimal_without_decimals_is_a_whole_number_and_exact(tmp_path: Path, kind: pa.DataType) -> None:
    """As databases have large identifiers."""
    exact, inexact = (
        written({"a": pa.array(map(Decimal, values), kind)}, "arrow") for values in ([10**22, 3], [1, 2**53 + 1])
    )

    assert taken(tmp_path, exact, "arrow") == {"a": [1e22, 3]}
    with pytest.raises(BadTable, match="not exact") as told:
        taken(tmp_path, inexact, "arrow")
    assert (told.value.row, told.value.column) == (1, "a")


def test_a_whole_number_that_no_double_is_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(BadTable) as told:
        taken(tmp_path, b'[{"id":1,"y":1},{"id":9007199254740993,"y":2}]', "json")
    assert (told.value.row, told.value.column) == (1, "id")


def test_dictionaries_may_be_replaced_from_batch_to_batch(tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    kind = pa.dictionary(pa.int8(), pa.string())
    with pa.ipc.new_stream(sink, pa.schema([("a", kind), ("y", pa.int64())])) as writer:
        for word in ("u", "v"):
            words = pa.array([word] * 3).dictionary_encode().cast(kind)
            writer.write_batch(pa.record_batch({"a": words, "y": pa.array([1, 2, 3])}))

    found = taken(tmp_path, bytes(sink.getvalue()), "arrow", one_hot=("a",))

    assert found == {"a=u": [1, 1, 1, 0, 0, 0], "a=v": [0, 0, 0, 1, 1, 1], "y": [1, 2, 3, 1, 2, 3]}


def test_nested_columns_can_be_left_out_and_words_that_are_none_are_told(tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"e": [[1.0], [2.0]], "b": [b"u", b"\xff"], "y": [1, 2]}), sink)
    body = bytes(sink.getvalue())

    assert taken(tmp_path, body, "parquet", text="drop") == {"y": [1, 2]}
    with pytest.raises(BadTable, match="UTF-8") as told:
        taken(tmp_path, body, "parquet", text="drop", one_hot=("b",))
    assert (told.value.row, told.value.column) == (1, "b")


@some
@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(2**53 - 2, 2**53 + 2), min_size=1, max_size=8))
@example([2**53 + 1, 1])
@example([2**53, -(2**53)])
def test_whole_numbers_are_exact_in_every_format_or_refused_in_all(tmp_path: Path, values: list[int]) -> None:
    table = {"a": values, "y": list(range(len(values)))}
    bad = next((row for row, value in enumerate(values) if float(value) != value), None)

    for format in FORMATS:
        if bad is None:
            assert taken(tmp_path, written(table, format), format, header=True)["a"] == values
        else:
            with pytest.raises(BadTable) as told:
                taken(tmp_path, written(table, format), format, header=True)
            assert (told.value.row, told.value.column) == (bad, "a"), format


def test_columns_of_words_are_told_together_with_the_words_that_count_as_empty(tmp_path: Path) -> None:
    late = b"7,1,2,3,4\n" * 40 + b"7,w,2,v,4\n"
    bodies: dict[Format, bytes] = {
        "csv": b"a,b,c,d,e\n" + late,
        "json": b'{"a":[1],"b":["w"],"c":[2],"d":["v"]}',
        "ndjson": b'{"a":1,"b":"w","c":2,"d":"v"}',
    }
    for format, body in bodies.items():
        with pytest.raises(BadTable, match="Columns with words are b, d") as told:
            ingested(tmp_path, body, format, Limits(row_bytes=128), missing=("?",))
        assert told.value.column == "b"
        assert ("count as empty: NA, NULL, NaN, nan, null, ?" in told.value.detail) == (format == "csv")


def ingested(folder: Path, body: bytes, format: Format, limits: Limits, **options: Any) -> dict[str, list[float]]:
    (folder / "body").write_bytes(body)
    summary = ingest(folder / "body", format, folder / "table", Reading(**options), limits)
    table = pq.read_table(folder / "table")
    return {column.name: table[column.name].to_pylist() for column in summary.columns}


EUROPE = {"delimiter": ";", "decimal": ","}


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        (b'a,b\n"1,234",2\n"5,678.5",3\n', {"thousands": ","}, [1234, 5678.5]),
        ("a;b\n1 234,5;2\n5\u00a0678;1\u202f000\n".encode(), {"thousands": " ", **EUROPE}, [1234.5, 5678]),
        (b"a;b\n1.234.567,5;2\n-5.678;3\n", {"thousands": ".", **EUROPE}, [1234567.5, -5678]),
        (b"a,b\n1'234.5,2\n17,3\n", {"thousands": "'"}, [1234.5, 17]),
        (b"a\tb\n1,234\t2\n56\t3\n", {"thousands": ",", "delimiter": "\t"}, [1234, 56]),
    ],
)  # fmt: skip
def test_a_sign_may_stand_between_thousands_where_it_is_named(
    tmp_path: Path, body: bytes, options: dict[str, str], expected: list[float]
) -> None:
    assert taken(tmp_path, body, "csv", **options)["a"] == expected
    with pytest.raises(BadTable, match="thousands="):
        taken(tmp_path, body, "csv", **options | {"thousands": ""})


def test_one_sign_does_not_stand_for_thousands_and_decimals(tmp_path: Path) -> None:
    with pytest.raises(BadOption) as told:
        taken(tmp_path, b"a;b\n1,234;2\n", "csv", thousands=",", **EUROPE)
    assert told.value.option == "thousands"


def test_what_is_no_number_as_a_whole_keeps_its_signs(tmp_path: Path) -> None:
    body = b'place,y\n"1,234 Road",1\n"12,34",2\n"1,234",3\n'

    assert list(taken(tmp_path, body, "csv", thousands=",", one_hot=("place",))) == [
        *("place=1,234 Road", "place=12,34", "place=1234", "y")
    ]


@pytest.mark.parametrize(
    ("body", "delimiter"),
    [
        (b'"a","b"\n"1",3,5\n"2",4,6\n', ","),
        (b'"a" "b"\n"Mazda RX4" 3 5\n"Datsun" 4 6\n', " "),
        (b"a,b\n3,5,\n4,6,\n", ","),
        (b"a,b,\n3,5\n4,6\n", ","),
        (b",,a,b\n0,x,3,5\n0,y,4,6\n", ","),
        (b"a;b;;\n3;5;;\n4;6; ;\n", ";"),
        (b"sep=;\r\na;b\r\n3;5\r\n4;6\r\n", ";"),
        (b'\xef\xbb\xbf"sep=,"\na,b\n3,5\n4,6\n', ","),
    ],
)
def test_what_programs_write_around_a_table_is_left_out(tmp_path: Path, body: bytes, delimiter: str) -> None:
    assert taken(tmp_path, body, "csv", delimiter=delimiter) == {"a": [3, 4], "b": [5, 6]}


@pytest.mark.parametrize("cell", ["?", " ?", "? ", " ? ", '"?"', " NA", "NA ", " ", "      "])
def test_words_for_nothing_may_have_spaces_beside_them(tmp_path: Path, cell: str) -> None:
    body = f"a,b\n1,{cell}\n2,3\n".encode()

    assert taken(tmp_path, body, "csv", missing=("?",), nulls="drop") == {"a": [2], "b": [3]}


WHOLE = (2**53 + 1, 2**63 + 1, 2**64 - 1, 10**20 + 1, -(2**60) - 1)


@pytest.mark.parametrize("number", WHOLE)
@pytest.mark.parametrize("before", ["1", "1.5"])
@pytest.mark.parametrize("format", ["csv", "json", "ndjson"])
def test_a_whole_number_that_no_double_is_is_refused_among_any_others(
    tmp_path: Path, format: Format, before: str, number: int
) -> None:
    bodies: dict[Format, str] = {
        "csv": f"a,y\n{before},1\n{number},2\n",
        "json": f'[{{"a":{before},"y":1}},{{"a":{number},"y":2}}]',
        "ndjson": f'{{"a":{before},"y":1}}\n{{"a":{number},"y":2}}\n',
    }
    with pytest.raises(BadTable, match="not exact in float64") as told:
        taken(tmp_path, bodies[format].encode(), format)
    assert (told.value.row, told.value.column) == (1, "a")
