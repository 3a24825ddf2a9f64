"""What a copy says of itself. It is written last: a folder or bucket without it is no copy, whatever is in it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import NotDone, ObjectMissing
from service.storage import Storage, read_parts

MANIFEST = "manifest.json"
FORMAT = 1
_MOST_BYTES = 1024**3
"""Of a manifest: it has 150 for each file."""
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$")]
"""In the place itself. A copy may come from somebody else: what it names is neither read nor written anywhere else."""
TableName = Annotated[str, Field(pattern=r"^[a-z_]{1,63}$")]
Report = Callable[[str], None]
"""Is told in words what goes on."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CopiedFile(_Model):
    """A file of a copy."""

    name: FileName
    size: int = Field(ge=0)
    """In bytes."""
    sha256: str


class CopiedTable(_Model):
    """The rows of a table, in the order of its files."""

    name: TableName
    rows: int = Field(ge=0)
    digest: str
    """Of what the rows say, whatever the files are: see service.store.copies.digests."""
    files: list[CopiedFile]


class Manifest(_Model):
    """All that a copy consists of."""

    format: Literal[1]
    """Of the files. A later one is for a later Slope."""
    slope: str
    """The version that made it."""
    revision: str
    """Of the database's schema."""
    database: Literal["sqlite", "postgresql"]
    """What it was copied from. It goes back into either."""
    created_at: datetime
    tables: list[CopiedTable]
    """Those that others refer to come first."""
    objects: list[CopiedFile]
    """The numbers of datasets."""

    @property
    def files(self) -> Iterator[CopiedFile]:
        for table in self.tables:
            yield from table.files
        yield from self.objects

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def rows_of(self, table: str) -> int:
        return sum(each.rows for each in self.tables if each.name == table)


@dataclass
class Hashed:
    """Parts of an object on their way, and what has passed by."""

    size: int = 0

    _hash: Any = field(default_factory=hashlib.sha256)

    def watch(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for part in parts:
            self.size += len(part)
            self._hash.update(part)
            yield part

    def as_file(self, name: str) -> CopiedFile:
        return CopiedFile(name=name, size=self.size, sha256=self._hash.hexdigest())


def read_manifest(place: Storage) -> Manifest:
    """What a copy says of itself. Raises NotDone where there is none, or one that this version cannot read."""
    try:
        content = b"".join(_no_more_than(_MOST_BYTES, read_parts(place, MANIFEST)))
    except ObjectMissing:
        raise NotDone(
            f"There is no whole backup: {MANIFEST}, which is written last, is missing. Name another, or make one anew"
        ) from None
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise NotDone(
            f"{MANIFEST} of the backup cannot be used: {where}: {first['msg']}. A newer Slope may have made it"
        ) from None


def check_copy(place: Storage) -> Manifest:
    """Read every file of a copy. Raises NotDone unless all of them are there and are what was written."""
    manifest = read_manifest(place)
    damaged = [file.name for file in manifest.files if not _is_whole(place, file)]
    if damaged:
        named = ", ".join(damaged[:5]) + (f" and {len(damaged) - 5} more" if len(damaged) > 5 else "")
        raise NotDone(f"The backup is damaged: {named} is missing or not what was written. Use another backup")
    return manifest


def _is_whole(place: Storage, file: CopiedFile) -> bool:
    read = Hashed()
    try:
        for _ in read.watch(_no_more_than(file.size, read_parts(place, file.name))):
            pass
    except ObjectMissing:
        return False
    return read.as_file(file.name) == file


def _no_more_than(size: int, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Parts until there are more bytes than that: what lies in the place may have no end."""
    for part in parts:
        yield part
        size -= len(part)
        if size < 0:
            return
