"""All settings, read from the environment with the prefix SLOPE_."""

import os
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path
from tempfile import gettempdir
from typing import Literal
from urllib.parse import unquote, urlsplit

from platformdirs import user_data_path
from pydantic import ByteSize, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from service import addresses
from service.setting_values import (
    BrokerAddress,
    DatabaseAddress,
    Folder,
    LogLevel,
    Names,
    Origins,
    PathPrefix,
    Rates,
    Span,
    StorageAddress,
    Traces,
)

_OURS = "SLOPE_"
SECRETS_FOLDER = f"{_OURS}SECRETS_DIR"
"""Names a folder whose files are settings, each of the name of its variable: where passwords are kept from everybody
who can look at an environment. A variable comes before a file."""


class WrongSettings(Exception):
    """Sentences that name each variable that cannot be used, and why. No URL is in them: it may hold a password."""


def _user_folder() -> Path:
    try:
        return user_data_path("slope")
    except RuntimeError:  # whoever we are has no home: refused by that name
        return Path("~")


class Settings(BaseSettings):
    """How this process runs. Every field is an environment variable: `database_url` is SLOPE_DATABASE_URL."""

    model_config = SettingsConfigDict(
        env_prefix=_OURS, env_ignore_empty=True, frozen=True, use_attribute_docstrings=True
    )

    data_dir: Folder = Field(default_factory=_user_folder, validate_default=True)
    """Folder of the embedded database and broker. Nobody but the user that Slope runs as can read what is in it."""
    database_url: DatabaseAddress = ""
    """SQLAlchemy URL of PostgreSQL (`postgresql://user@host/name`) or SQLite (`sqlite:////folder/file`); a SQLite file
    in the data folder by default. Signs such as `@ / ? # %` in a password or a path are written as `%40`, `%2F`, …"""
    storage_url: StorageAddress = ""
    """Where datasets are kept: a folder (`/srv/slope`, or `file:///srv/slope`), or `s3://bucket/prefix`; by default the
    folder `objects` next to an embedded database, or in the data folder. API and workers need to see the same."""
    broker_url: BrokerAddress = ""
    """URL of Redis or Valkey, the bell that wakes workers; by default that of a running `slope serve`, or port 6379."""

    auth: Literal["off", "required"] | None = None
    """Whether everybody is asked for a key: `required`, or `off`. By default it is off on loopback, where only this
    machine can ask, and required on every other address."""
    audit_retention: Span = timedelta(days=90)
    """For how long it is kept what was changed with which key, as in `90d`, `12h`, `90m`."""
    metrics_token: SecretStr | None = None
    """Where keys are required, `Authorization: Bearer` with this token lets a scraper read `/metrics`, and nothing
    else. Otherwise that takes a key of scope `admin`, for it counts what all owners do."""
    allowed_hosts: Names = ()
    """Names by which the service is reached, besides loopback names and the address that it is reached at, in a list
    with commas: `slope.example, *.internal`. Without any, a request that does not come over loopback may name any."""
    allowed_origins: Origins = ()
    """Origins of other sites' pages that may use the API (CORS), in a list with commas: `https://notes.example`."""
    root_path: PathPrefix = ""
    """Path at which a proxy has the service, as in `/slope`, whether it strips it or not: documentation, `Location` and
    the types of problems then begin with it."""
    max_body_size: ByteSize = Field(default=ByteSize(64 * 1024 * 1024), ge=1)
    """Largest request body, in bytes, or as in `64MB` (10⁶ bytes each), `64MiB` (2²⁰)."""
    max_upload_size: ByteSize = Field(default=ByteSize(4 * 1024**3), ge=1)
    """Largest file that is taken as a dataset, before and after it is decompressed, in bytes or as in `4GiB`."""
    max_dataset_numbers: int = Field(default=1_000_000_000, ge=1)
    """Most numbers, rows × columns, of a dataset."""
    triangle_columns: int = Field(default=128, ge=0)
    """A dataset of at most this many columns is reduced to a triangle while it is read in, from which full-batch jobs
    train without a look at its rows; 0 reduces none. Of 128 columns it takes 67 kB."""
    job_retention: Span | None = None
    """For how long jobs that have ended are kept, as in `30d`, `12h`, `90m`. Then they go with their records, and so do
    datasets without a name that no job uses; the API looks for them every hour. What has a name stays. Nothing goes by
    default."""
    max_stored_bytes: ByteSize | None = None
    """Bytes that all datasets, those of jobs too, may take in the storage and in SQL, as in `50GiB`; no bound by
    default."""
    owner_requests: Rates = ""
    """Requests of one owner, as in `50/second;5000/hour`; no bound by default. Where the broker is Redis or Valkey, all
    API processes count together. Without keys everybody is one owner."""
    owner_jobs: int | None = Field(default=None, ge=1)
    """Jobs of one owner that have not ended; no bound by default."""
    owner_slots: int | None = Field(default=None, ge=1)
    """Slots of all workers that the jobs of one owner may have at the same time; no bound by default. Where it is less
    than there are, long jobs of one do not keep those of another waiting. It is for workers."""
    owner_bytes: ByteSize | None = None
    """Bytes that the datasets of one owner may take, as in `5GiB`; no bound by default."""
    owner_numbers: int | None = Field(default=None, ge=1)
    """Numbers that all jobs of one owner, as long as they are kept, may record together; no bound by default."""
    upload_memory: ByteSize = Field(default=ByteSize(512 * 1024**2), ge=1)
    """Memory that reading one upload may take, in bytes or as in `512MiB`."""
    upload_seconds: float = Field(default=600.0, gt=0)
    """How long reading one upload may take, once it has arrived."""
    spool_dir: Folder | None = None
    """Where uploads wait to be read; by default a folder next to the one where datasets are kept."""
    max_connections: int = Field(default=1000, ge=1)
    """Requests that the API works on at the same time, streams and long polls among them; more are answered 503."""
    max_connections_per_address: int = Field(default=500, ge=0)
    """Connections that one address may have to the API; 0 is no bound, as behind a proxy, from which all come. Where
    there is one more, the one that was idle longest is closed; where none is idle, its requests are answered 503."""
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
    """Replays, graphs of steps, pictures and audits that are computed at the same time."""
    replays_waiting: int = Field(default=8, ge=0)
    """How many more wait for their turn; beyond them the answer is 503."""
    searches_at_once: int = Field(default=8, ge=1)
    """Requests that may look at much and take short: searches of jobs, samples of rows, plans, points of many epochs;
    eight times as many wait, and beyond them the answer is 503."""
    search_seconds: float = Field(default=10.0, gt=0)
    """A search of jobs by words, metadata or another order than that of creation is given up after this time."""
    replay_seconds: float = Field(default=60.0, gt=0)
    """Steps that would take longer to compute again, by the plan's measure, are refused."""
    replay_numbers: int = Field(default=50_000_000, ge=1)
    """Most numbers of a dataset that is read into the API's memory to compute steps again."""

    statistics_numbers: int = Field(default=10_000_000, ge=0)
    """Statistics that need a look at every row, of more numbers than this, are left to a worker."""

    worker_memory: ByteSize | None = None
    """Memory that one training may take, as in `2GiB`; by default its part of the worker's machine or container."""
    worker_remote_control: bool = False
    """Whether workers obey Celery's commands from the broker (`inspect`, `control`), from all who can write to it."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one training. The bits of a large sum depend on it: keep it the same in every process."""
    sweep_threads: int = Field(default=2, ge=1)
    """CPU threads of the settings of a sweep that train together, where there is enough to do. No number depends on
    it."""
    lease_seconds: float = Field(default=6.0, gt=0)
    """How long a worker may write for a job, or send to a webhook, without a sign of life."""
    beat_seconds: float = Field(default=0.5, gt=0)
    """How often that sign is given while a step is long; a cancelled job stops within this time."""
    reap_seconds: float = Field(default=1.0, gt=0)
    """How often a worker looks for lost bells and lost jobs."""
    flush_seconds: float = Field(default=0.25, gt=0)
    flush_epochs: int = Field(default=1000, ge=1)
    """Records are written when either of the two is reached."""
    max_crashes: int = Field(default=3, ge=1)
    """A job is given up after this many attempts in a row that died with their worker and recorded nothing."""

    webhooks_allow_private: bool = False
    """Whether webhooks may be sent to this machine and to private networks. Whoever may make a webhook can then have
    requests sent to all that the workers reach."""
    webhook_retention: Span = timedelta(days=30)
    """For how long messages to webhooks are kept, to be looked up and sent again, as in `30d`, `12h`, `90m`."""

    log_level: LogLevel = "INFO"
    """`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`, in any case."""
    log_json: bool = False
    tracing: Traces = False
    """Whether traces are sent by OpenTelemetry (`pip install -e '.[otel]'`, in a clone), over HTTP to where
    OTEL_EXPORTER_OTLP_ENDPOINT says; its other variables apply as well."""

    @cached_property
    def database(self) -> str:
        """The database URL with its default filled in."""
        if self.database_url:
            return self.database_url
        return addresses.sqlite_url(self.data_dir / "slope.db")

    @cached_property
    def storage(self) -> str:
        """The storage's URL with its default filled in."""
        file = addresses.sqlite_file(self.database)
        folder = file.parent if file else self.data_dir
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
    """The settings of this process, read once: its environment, and files where it names a folder of them.

    Raises WrongSettings.
    """
    try:
        return Settings(_secrets_dir=os.environ.get(SECRETS_FOLDER) or None)
    except ValidationError as error:
        raise WrongSettings("; ".join(_sentence(each) for each in error.errors())) from None


def misspelt_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that no setting reads, each with the one that was probably meant.

    Others with our prefix are left alone: Compose has its own, and Kubernetes sets SLOPE_PORT beside a service `slope`.
    """
    known = {f"{_OURS}{name.upper()}" for name in Settings.model_fields} | _FOR_OTHERS
    unknown = [name for name in environment if name.upper().startswith(_OURS) and name.upper() not in known]
    nearest = {name: get_close_matches(name.upper(), known - _FOR_OTHERS, n=1, cutoff=0.85) for name in unknown}
    return {name: found[0] for name, found in nearest.items() if found}


_FOR_OTHERS = {SECRETS_FOLDER, "SLOPE_URL", "SLOPE_API_KEY", "SLOPE_WORKER_ID", "SLOPE_WORKER_COUNTS"}
"""Names of the client's, and of a worker for its children."""


def _sentence(error: ErrorDetails) -> str:
    name = f"{_OURS}{str(error['loc'][0]).upper()}"
    given = name if name.endswith("_URL") else f"{name}={error['input']}"
    return f"{given} cannot be used: {error['msg'].removeprefix('Value error, ')}"
