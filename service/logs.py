"""Structured logs for every process: lines for a person, or JSON for a collector."""

import logging

import structlog

from service.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Send our own and the libraries' messages through one formatter to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for library in _CHATTY:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(lambda record: _CUT_SHORT not in record.getMessage())


_CUT_SHORT = "without completing response"
"""What uvicorn says of an answer that we have cut short, and told why."""
_CHATTY = ("alembic", "celery", "uvicorn", "httpx2", "kombu")
"""Libraries whose daily doings would drown our own."""
