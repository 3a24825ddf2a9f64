"""Answers that are sent while they are made."""

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Send

from service.errors import ServiceError

log = structlog.get_logger()


class Stream(StreamingResponse):
    """When what it reads fails halfway, it is left without an end: its client must not take it for whole."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except ServiceError as error:
            log.warning("an answer was cut short", error=str(error))
