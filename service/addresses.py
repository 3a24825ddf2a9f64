"""URLs that an operator sets: taken in their common spellings, and refused where they lead nowhere.

No sentence repeats one: it may hold a password.
"""

from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DATABASES = {"postgres": "postgresql", "postgresql": "postgresql", "sqlite": "sqlite"}
_DRIVERS = {"postgresql+psycopg": "postgresql+psycopg", "sqlite+pysqlite": "sqlite+pysqlite"}
_BROKERS = {"valkey": "redis", "valkeys": "rediss", "unix": "redis+socket"}
_KNOWN_BROKERS = {"redis", "rediss", "redis+socket", "sentinel"}
_ENCODE = "signs such as @ / ? # % in a user, a password or a path have to be written as %40, %2F, %3F, %23, %25"


def normalize_database_url(url: str) -> str:
    """A URL as SQLAlchemy takes it, of a database that Slope knows. Raises ValueError."""
    if not url:
        return url
    parsed = _database(url)
    driver = (_DATABASES | _DRIVERS).get(parsed.drivername)
    if driver is None:
        raise ValueError("it has to begin with postgresql:// or sqlite://, the databases that Slope works with")
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ValueError("a SQLite database has to be a file, which API and workers share: sqlite:////folder/slope.db")
    return f"{driver}{url[len(parsed.drivername) :]}"


def normalize_storage_url(url: str) -> str:
    """The URL of a folder or a bucket; a path is one, too. Raises ValueError."""
    if not url:
        return url
    if url.startswith("/"):
        return Path(url).as_uri()
    parts = _split(url)
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path.startswith("/")):
        raise ValueError("a folder is named from the root: file:///srv/slope, with three slashes, or /srv/slope")
    if parts.scheme == "file" and (parts.query or parts.fragment):
        raise ValueError(_ENCODE)
    if parts.scheme != "file" and not _is_bucket(url):
        raise ValueError("it has to be a folder (/srv/slope, file:///srv/slope) or a bucket (s3://bucket/prefix)")
    return url


def normalize_broker_url(url: str) -> str:
    """The URL of a Redis or a Valkey as kombu takes it. Raises ValueError."""
    if not url:
        return url
    scheme, mark, rest = url.partition("://")
    scheme = _BROKERS.get(scheme.lower(), scheme.lower())
    if scheme not in _KNOWN_BROKERS or not mark:
        raise ValueError("it has to begin with redis://, rediss:// or redis+socket://, for Redis or Valkey")
    _split(f"redis://{rest.partition(';')[0]}")
    return f"{scheme}://{rest}"


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite database."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def sqlite_file(database_url: str) -> Path | None:
    """The file of a SQLite database; None for another."""
    url = make_url(database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def socket_url(path: Path) -> str:
    """The URL of a broker on a Unix socket."""
    return f"redis+socket://{quote(str(path))}"


def without_secrets(url: str) -> str:
    """A URL to be shown: neither what stands before its host nor its query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _database(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ValueError(f"it is no URL, as postgresql://user:password@host:5432/name is: {_ENCODE}") from error


def _split(url: str) -> SplitResult:
    """With a port that is a number: what is left of a password with slashes is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"it is no URL: {_ENCODE}") from error
    return parts


def _is_bucket(url: str) -> bool:
    from obstore import parse_scheme
    from obstore.exceptions import BaseError

    try:
        return parse_scheme(url) != "local"
    except (BaseError, ValueError):
        return False
