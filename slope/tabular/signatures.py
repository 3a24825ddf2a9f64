"""What a file is by its first bytes, where it is none of the formats that are read: a message then calls it that."""

from pathlib import Path

from slope.tabular.faults import BadTable
from slope.tabular.reading import Format

_SIGNATURES = (
    (b"\x1f\x8b", "compressed by gzip", "say Content-Encoding: gzip, or call a form's file .gz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "say Content-Encoding: zstd, or call a form's file .zst"),
    (b"BZh91AY&SY", "compressed by bzip2", "compress it by gzip or zstd"),
    (b"\xfd7zXZ\0", "compressed by xz", "compress it by gzip or zstd"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "compress it by gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "send the file that is in it"),
    (b"Rar!", "a RAR archive", "send the file that is in it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (xls)", "save the sheet as CSV"),
    (b"FEA1", "Feather of version 1", "write it as Feather version 2, which is Arrow, or as Parquet"),
    (b"PARE", "an encrypted Parquet file", "send it decrypted"),
    (b"ORC", "ORC", "write it as Parquet"),
    (b"Obj\x01", "Avro", "write it as Parquet"),
    (b"%PDF-", "a PDF document", "send the table itself as CSV"),
    (b"\x93NUMPY", "an array of NumPy", "write it as CSV, or as Parquet with names"),
    (b"\x89HDF\r\n", "HDF5", "write it as Parquet"),
    (b"SQLite format 3\0", "an SQLite database", "write the table as CSV or Parquet"),
    (b"RDX", "an object of R (rds)", "write the frame as CSV or Parquet"),
    (b"$FL2@(#) ", "a file of SPSS", "write it as CSV or Parquet"),
    (b"<stata_dta>", "a file of Stata", "write it as CSV or Parquet"),
    (b"{\\rtf", "a text document (RTF)", "send the table itself as CSV"),
)
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_MARKUP = (b"<!doctype html", b"<html", b"<?xml")
_ARCHIVED = (
    (b"xl/", "an Excel workbook (xlsx)", "save the sheet as CSV"),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (ods)", "save the sheet as CSV"),
    (b".npy", "arrays of NumPy (npz)", "write them as CSV, or as Parquet with names"),
)
_OWN: dict[bytes, tuple[Format, str]] = {b"PAR1": ("parquet", "Parquet"), b"ARROW1": ("arrow", "Arrow")}
_LOOKED_AT = 64 * 1024


def refuse_others(path: Path, format: Format) -> None:
    """Raise BadTable for a file of another kind than its format, where its first bytes tell which."""
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT)
    for signature, (own, name) in _OWN.items():
        if begin.startswith(signature) and own != format and not _is_text(begin):
            raise BadTable(f"The file is {name}, not {format}: say format={own}, or the content type of {name}")
    if not begin.startswith(tuple(_OWN)):
        _refuse_signature(begin)


def _refuse_signature(begin: bytes) -> None:
    for signature, name, advice in _SIGNATURES:
        if begin.startswith(signature) and not (signature.isalnum() and _is_text(begin)):
            raise _is(name, advice)
    if begin.startswith(b"PK\x03\x04"):
        found = [(name, advice) for part, name, advice in _ARCHIVED if part in begin]
        raise _is(*(found or [("a zip archive", "send the file that is in it")])[0])
    if begin.startswith(_PICKLES) and b"." in begin:
        raise _is("a pickle of Python, which can run anything", "write the table as CSV or Parquet")
    if begin.lstrip()[:14].lower().startswith(_MARKUP):
        raise _is("a page of HTML or XML", "send the table itself: an address may have answered with a page of its own")


def _is_text(begin: bytes) -> bool:
    """Whether what looks like a signature may be the name of a column, as ORC may."""
    return b"\0" not in begin


def _is(name: str, advice: str) -> BadTable:
    return BadTable(f"The file is {name}, and not read here: {advice}")
