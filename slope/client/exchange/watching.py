"""What a job's stream of server-sent events tells, however often it is cut off: every event once, in order.

WHATWG, HTML, section 9.2. The runner opens the streams and hands on their lines.
"""

from time import monotonic

import httpx2

from slope.answers.events import EventView
from slope.answers.records import EpochView
from slope.client.exchange.exchange import Id, Request, read
from slope.client.exchange.persistence import FIRST_PAUSE, LONGEST_PAUSE, is_away, jittered, retry_after
from slope.client.exchange.unreachable import addressed
from slope.client.problem import checked
from slope.statuses import FINAL

Told = EpochView | EventView
"""An epoch, or a change of the status or a warning."""
SILENT_SECONDS = 45.0
"""A stream that says nothing for so long is lost: the service says every 15 seconds that it is there."""
_KINDS: dict[str, type[Told]] = {"epoch": EpochView, "status": EventView, "warning": EventView}
_READ_TO_ITS_END = 204


class Watching:
    """One job's events, over as many streams as it takes. Raises TimeoutError, and Problem where it is refused."""

    def __init__(self, job_id: Id, timeout: float) -> None:
        self.is_over = False
        self._job_id = job_id
        self._timeout = timeout
        self._deadline = monotonic() + timeout
        self._delay, self._pause = 0.0, FIRST_PAUSE
        self._last_id = ""
        self._epoch, self._seq = -1, 0
        self._fields: dict[str, str] = {}

    def request(self) -> Request:
        """For the stream that goes on behind the last event."""
        self._refuse_to_be_late()
        position = {"Last-Event-ID": self._last_id} if self._last_id else {}
        headers = {"Accept": "text/event-stream"} | position
        self._fields = {}
        return Request(
            "GET", f"/v1/jobs/{self._job_id}/events", {"headers": headers, "timeout": SILENT_SECONDS}, self._delay
        )

    def begun(self, response: httpx2.Response) -> None:
        """A stream answers. Of a refusal the body has been read."""
        self._delay = jittered(self._pause)
        if response.status_code == _READ_TO_ITS_END:
            self.is_over = True
        elif is_away(response):
            self._wait_longer(retry_after(response))
        else:
            checked(response)

    def lost(self, error: httpx2.TransportError) -> None:
        """The stream broke off, or could not be opened. Raises the error when the time is over."""
        if monotonic() > self._deadline:
            with addressed():
                raise error
        self._wait_longer(0.0)

    def told(self, line: str) -> Told | None:
        """What is complete with this line."""
        self._refuse_to_be_late()
        if line:
            name, _, value = line.partition(":")
            before = f"{self._fields[name]}\n" if name == "data" and name in self._fields else ""
            self._fields[name] = before + value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        self._last_id = fields.get("id", self._last_id)
        kind = _KINDS.get(fields.get("event", ""))
        return self._new(read(kind, fields["data"].encode())) if kind and "data" in fields else None

    def _new(self, found: Told) -> Told | None:
        """What was not told before, even where a proxy loses Last-Event-ID."""
        self._pause = FIRST_PAUSE
        if isinstance(found, EpochView):
            is_new, self._epoch = found.epoch > self._epoch, max(self._epoch, found.epoch)
        else:
            is_new, self._seq = found.seq > self._seq, max(self._seq, found.seq)
            self.is_over = self.is_over or found.status in FINAL
        return found if is_new else None

    def _refuse_to_be_late(self) -> None:
        if monotonic() > self._deadline:
            raise TimeoutError(f"Job {self._job_id} has not ended after {self._timeout:g} s")

    def _wait_longer(self, least: float) -> None:
        """Not beyond the time when it is over anyway, whatever the service says."""
        self._delay = min(jittered(max(self._pause, least)), max(self._deadline - monotonic(), 0.0))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
