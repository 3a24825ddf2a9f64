"""Text in any charset, as UTF-8: what the formats that are text are read as."""

import codecs
from pathlib import Path
from typing import BinaryIO

from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.reading import Limits

_BY_HAND = "shift_jis euc_jp euc_kr big5 gbk gb18030 koi8_r koi8_u mac_roman cp437 cp850 cp866 ascii"
_CHARSETS = {
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
    *(f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))),
    *(f"cp{page}" for page in range(1250, 1259)),
    *(codecs.lookup(name).name for name in _BY_HAND.split()),
}
_BOM = codecs.BOM_UTF8
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PIECE = 1024 * 1024


def codec_of(charset: str) -> str | None:
    """What Python calls a charset; None for one that is not known here."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    name = name.removesuffix("-sig")
    return name if name in _CHARSETS else None


def make_utf8(path: Path, charset: str | None, limits: Limits) -> None:
    """Let a file be UTF-8, or raise BadTable with the first byte that is not of its charset."""
    codec = codec_of(charset or _marked_charset(path) or "utf-8") or "utf-8"
    if codec in ("utf-8", "ascii"):
        with path.open("rb") as source:
            _decode(source, codec, charset, None, limits)
        return
    written = path.with_suffix(".utf8")
    with path.open("rb") as source, written.open("wb") as sink:
        _decode(source, codec, charset, sink, limits)
    written.rename(path)


def _marked_charset(path: Path) -> str | None:
    """The charset that a file's byte order mark is of, where it is not UTF-8."""
    with path.open("rb") as file:
        begin = file.read(4)
    return next((charset for mark, charset in _MARKS if begin.startswith(mark)), None)


def begin_of(path: Path) -> int:
    """Where a UTF-8 file begins behind its byte order mark."""
    with path.open("rb") as file:
        return len(_BOM) if file.read(len(_BOM)) == _BOM else 0


def open_text(path: Path) -> BinaryIO:
    """A UTF-8 file behind its byte order mark."""
    file = path.open("rb")
    file.seek(begin_of(path))
    return file


def _decode(source: BinaryIO, codec: str, charset: str | None, sink: BinaryIO | None, limits: Limits) -> None:
    decoder = codecs.getincrementaldecoder(codec)()
    fed = written = 0
    is_between = True  # of two characters
    while True:
        piece = source.read(_PIECE)
        if sink is None and piece and is_between and piece.isascii():
            fed += len(piece)
            continue
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise _fault(fed + len(piece) - len(error.object) + error.start, charset) from None
        except UnicodeError as error:  # what should say the order of its bytes, and does not
            raise BadTable(f"The file is not of the charset {charset}: {error}") from None
        fed += len(piece)
        is_between = not decoder.getstate()[0]
        if sink is not None:
            written += sink.write(text.encode())
            if written > limits.file_bytes:
                raise TableTooLarge(f"As UTF-8 the file has more than the {limits.file_bytes:,} bytes allowed")
        if not piece:
            return


def _fault(offset: int, charset: str | None) -> BadTable:
    place = f"The byte at {offset:,} (from 0)"
    if charset is not None:
        return BadTable(f"{place} is not of the charset {charset}")
    return BadTable(f"{place} is not UTF-8: name the file's charset, as in charset=windows-1252")
