"""Whether to read on from a connection, and whether its client takes what is written."""

import asyncio
from collections.abc import Sized

from uvicorn.protocols.http.flow_control import FlowControl

UNREAD_SECONDS = 60
"""How long a client may take nothing of its answer, or so little that we wait all that time to write on."""


class InTurn(FlowControl):
    """Reads nothing while requests wait that were sent ahead. uvicorn reads on after each answer, without an end."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting
        self._times_resumed = 0
        """How often we could write on: each time the client had taken some 50 kB."""
        self._unsent, self._resumed_before, self._seconds_unread = 0, 0, 0

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()

    def resume_writing(self) -> None:
        self._times_resumed += self.write_paused
        super().resume_writing()

    def takes_nothing(self, unsent: int) -> bool:
        """Whether the client has taken nothing for longer than it may. To be asked once a second.

        `unsent` are the bytes that wait for it.
        """
        is_stuck = unsent >= self._unsent or (self.write_paused and self._times_resumed == self._resumed_before)
        self._seconds_unread = self._seconds_unread + 1 if unsent and is_stuck else 0
        self._unsent, self._resumed_before = unsent, self._times_resumed
        return self._seconds_unread > UNREAD_SECONDS
