"""How settings are written: each kind of value is taken in its common spellings, and refused in a sentence."""

import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from service import addresses
from slope.extras import how_to_add
from slope.spans import parse_span

_PREFIX = re.compile(r"[A-Za-z0-9._~/-]*")


def _span(value: object) -> object:
    return parse_span(value) if isinstance(value, str) else value


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip().lower() for part in parts if part.strip())


def _upper(level: object) -> object:
    return level.strip().upper() if isinstance(level, str) else level


def _prefix(value: str) -> str:
    """With a slash before it and none behind it."""
    path = value.strip().strip("/")
    if not _PREFIX.fullmatch(path):
        raise ValueError("give the path of an address, as in /slope: letters, digits, dots, dashes and slashes")
    if path.partition("/")[0] in ("v1", "v2"):
        raise ValueError("/v1 and /v2 are the service's own: have it behind another path, as in /slope")
    return path and f"/{path}"


def _absolute(folder: Path) -> Path:
    try:
        str(folder).encode()
        return folder.expanduser().absolute()
    except UnicodeEncodeError as error:
        raise ValueError("its name is no text in UTF-8, which SQLite needs: name another folder") from error
    except RuntimeError as error:
        raise ValueError("there is no home folder here: name another folder, as in /var/lib/slope") from error


def _refuse_what_is_no_origin(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin} is no origin: give a scheme and a host, as in https://notes.example")
    return origins


def _refuse_what_is_no_rate(rates: str) -> str:
    if rates:
        from limits import parse_many  # only where it is used: it takes a while to load

        parse_many(rates)
    return rates


def _refuse_without_exporter(traces: bool) -> bool:
    """Raise ValueError where traces are wanted, and what sends them is not installed."""
    try:
        is_here = not traces or find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        is_here = False
    if not is_here:
        raise ValueError(f"OpenTelemetry is not installed: {how_to_add('otel')}, or leave it off")
    return traces


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Origins = Annotated[Names, AfterValidator(_refuse_what_is_no_origin)]
PathPrefix = Annotated[str, BeforeValidator(_prefix)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Span = Annotated[timedelta, BeforeValidator(_span), Field(gt=timedelta(0))]
Rates = Annotated[str, AfterValidator(_refuse_what_is_no_rate)]
Traces = Annotated[bool, AfterValidator(_refuse_without_exporter)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
DatabaseAddress = Annotated[str, AfterValidator(addresses.normalize_database_url)]
StorageAddress = Annotated[str, AfterValidator(addresses.normalize_storage_url)]
BrokerAddress = Annotated[str, AfterValidator(addresses.normalize_broker_url)]
