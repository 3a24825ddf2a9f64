"""All settings, read from the environment with the prefix SLOPE_."""

import re
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated
from urllib.parse import unquote, urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip().lower() for part in parts if part.strip())


def _refuse_what_is_no_origin(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin} is no origin: give a scheme and a host, as in https://notes.example")
    return origins


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


def _prefix(value: str) -> str:
    """With a slash before it and none behind it."""
    path = value.strip().strip("/")
    if not _PREFIX.fullmatch(path):
        raise ValueError("give the path of an address, as in /slope: letters, digits, dots, dashes and slashes")
    if path.partition("/")[0] in ("v1", "v2"):
        raise ValueError("/v1 and /v2 are the service's own: have it behind another path, as in /slope")
    return path and f"/{path}"


_PREFIX = re.compile(r"[A-Za-z0-9._~/-]*")


class Settings(BaseSettings):
    """How this process runs. Every field is an environment variable: `database_url` is SLOPE_DATABASE_URL."""

    model_config = SettingsConfigDict(env_prefix="SLOPE_", frozen=True, use_attribute_docstrings=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("slope"))
    """Folder of the embedded database and broker."""
    database_url: str = ""
    """SQLAlchemy URL of PostgreSQL or SQLite; a SQLite file in the data folder by default."""
    storage_url: str = ""
    """Where datasets are kept: `file:///folder`, or `s3://bucket/prefix`; by default the folder `objects` beside an
    embedded database, or in the data folder. API and workers need to see the same."""
    broker_url: str = ""
    """URL of Redis or Valkey, the bell that wakes workers; by default that of a running `slope serve`, or port 6379."""

    allowed_hosts: Names = ()
    """Names by which the service is reached, besides loopback names and the address that it is reached at, in a list
    with commas: `slope.example, *.internal`. Without any, a request that does not come over loopback may name any."""
    allowed_origins: Annotated[Names, AfterValidator(_refuse_what_is_no_origin)] = ()
    """Origins of other sites' pages that may use the API (CORS), in a list with commas: `https://notes.example`."""
    root_path: Annotated[str, BeforeValidator(_prefix)] = ""
    """Path at which a proxy has the service, as in `/slope`, whether it strips it or not: documentation, `Location` and
    the types of problems then begin with it."""
    max_body_size: int = Field(default=64 * 1024 * 1024, ge=1)
    """Largest request body, in bytes."""
    max_upload_size: int = Field(default=4 * 1024**3, ge=1)
    """Largest file that is taken as a dataset, in bytes, before and after it is decompressed."""
    max_dataset_numbers: int = Field(default=1_000_000_000, ge=1)
    """Most numbers, rows × columns, of a dataset."""
    max_stored_bytes: ByteSize | None = None
    """Bytes that all datasets, those of jobs too, may take in the storage, as in `50GiB`; no bound by default."""
    upload_memory: int = Field(default=512 * 1024**2, ge=1)
    """Bytes of memory that reading one upload may take."""
    upload_seconds: float = Field(default=600.0, gt=0)
    """How long reading one upload may take, once it has arrived."""
    spool_dir: Path | None = None
    """Where uploads wait to be read; by default a folder beside the one where datasets are kept."""
    max_connections: int = Field(default=1000, ge=1)
    """Requests that the API has in work at once, streams and long polls among them; more are answered 503."""
    request_seconds: int = Field(default=10, ge=1)
    """How long a client may keep the API waiting for a request's head, or for the next 1,000 bytes of its body."""
    max_recorded_numbers: int = Field(default=100_000_000, ge=1)
    """Most numbers that one job, or one sweep, may record."""
    analysis_seconds: float = Field(default=1.0, ge=0)
    """An analysis that would take longer is left to the worker; all of a sweep's together are left out."""
    worker_analysis_seconds: float = Field(default=60.0, ge=0)
    """An analysis that would take longer than this is not made."""
    max_sweep_numbers: int = Field(default=1_000_000, ge=1)
    """Most weights of a sweep: settings × features."""

    replays_at_once: int = Field(default=2, ge=1)
    """Replays, graphs of steps, pictures and audits that are computed at once."""
    replays_waiting: int = Field(default=8, ge=0)
    """How many more wait for their turn; beyond them the answer is 503."""
    replay_seconds: float = Field(default=60.0, gt=0)
    """Steps that would take longer to compute again, by the plan's measure, are refused."""
    replay_numbers: int = Field(default=50_000_000, ge=1)
    """Most numbers of a dataset that is read into the API's memory to compute steps again."""

    worker_memory: ByteSize | None = None
    """Memory that one training may take, as in `2GiB`; by default its part of the worker's machine or container."""
    worker_remote_control: bool = False
    """Whether workers obey Celery's commands from the broker (`inspect`, `control`), from whoever can write to it."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one training. The bits of a large sum depend on it: keep it the same in every process."""
    lease_seconds: float = Field(default=6.0, gt=0)
    """How long a worker may write for a job without a sign of life."""
    beat_seconds: float = Field(default=0.5, gt=0)
    """How often that sign is given while a step is long; a cancelled job stops within this time."""
    reap_seconds: float = Field(default=1.0, gt=0)
    """How often a worker looks for lost bells and lost jobs."""
    flush_seconds: float = Field(default=0.25, gt=0)
    flush_epochs: int = Field(default=1000, ge=1)
    """Records are written when either of the two is reached."""
    max_crashes: int = Field(default=3, ge=1)
    """A job is given up after this many attempts in a row that died with their worker and recorded nothing."""

    log_level: str = "INFO"
    log_json: bool = False

    @property
    def database(self) -> str:
        """The database URL with its default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'slope.db'}"

    @property
    def storage(self) -> str:
        """The storage's URL with its default filled in."""
        url = make_url(self.database)
        is_file = url.get_backend_name() == "sqlite" and url.database
        folder = Path(url.database).parent if is_file and url.database else self.data_dir
        return self.storage_url or (folder / "objects").resolve().as_uri()

    @property
    def spool(self) -> Path:
        """The folder for uploads with its default filled in: on the disk where datasets are kept, if that is a disk."""
        parts = urlsplit(self.storage)
        default = Path(unquote(parts.path)).parent if parts.scheme == "file" else Path(gettempdir()) / "slope"
        return self.spool_dir or default / "spool"

    @property
    def embedded_broker(self) -> Path:
        """The file in which `slope serve` leaves the URL of its broker while it runs."""
        return self.data_dir / "broker.url"

    @property
    def broker(self) -> str:
        """The broker's URL with its default filled in."""
        if self.broker_url or not self.embedded_broker.exists():
            return self.broker_url or "redis://127.0.0.1:6379/0"
        return self.embedded_broker.read_text()


@cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
