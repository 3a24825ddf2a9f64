"""Structured logs for every process: lines for a person, or JSON for a collector, without secrets."""

import logging
import os
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import structlog

from service.redaction import Redactor
from service.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Send our own and the libraries' messages through one formatter to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),  # what is not logged costs nothing
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    render = structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
                _without_secrets(Redactor(_own_secrets(settings))),
            ],
        )
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for library in _CHATTY:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(lambda record: _CUT_SHORT not in record.getMessage())


def _without_secrets(redact: Redactor) -> structlog.typing.Processor:
    """Of the line as it is written: whatever brought a secret into it, it is not there."""

    def rewrite(_logger: object, _method: str, line: structlog.typing.EventDict) -> str:
        return redact(str(line))

    return rewrite


def _own_secrets(settings: Settings) -> Iterator[str]:
    for url in (settings.database, settings.broker, settings.storage):
        password = urlsplit(url).password or ""
        yield from (password, unquote(password))
    if settings.metrics_token:
        yield settings.metrics_token.get_secret_value()
    yield from (os.environ.get(name, "") for name in _SECRET_VARIABLES)


_SECRET_VARIABLES = ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SLOPE_API_KEY")
_CUT_SHORT = "without completing response"
"""What uvicorn says of an answer that we have cut short, and told why."""
_CHATTY = ("alembic", "celery", "uvicorn", "httpx2", "kombu")
"""Libraries whose daily doings would drown our own."""
