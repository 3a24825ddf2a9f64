"""Clients that ask a service without a break, and note what they are told and when."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import Any, Self
from uuid import UUID, uuid4

import httpx2

from faults import work

_GOOD = (200, 202)
_LONGEST = 120.0
_PAUSE = 0.2
_POLLERS = 10


@dataclass(frozen=True)
class Answer:
    call: str
    sent: float
    received: float
    status: int | None
    """None where the connection broke, or nothing came at all."""
    is_right: bool
    """Whether it is what was asked for, or a problem that says when to ask again."""
    body: Any = None

    @property
    def is_good(self) -> bool:
        return self.status in _GOOD

    @property
    def seconds(self) -> float:
        return self.received - self.sent


class Probe:
    """Asks from the block's begin to its end: several clients for one job, and one for each other call."""

    def __init__(self, url: str, job_id: UUID) -> None:
        job = f"/v1/jobs/{job_id}"
        readings = (
            *[job] * _POLLERS,
            "/v1/jobs",
            f"{job}/epochs?limit=5",
            f"{job}/events",
            f"{job}/epochs?points=4",
            "/v1/datasets",
        )
        calls = [("GET", path) for path in (*readings, "/v1/devices", "/readyz", "/livez")] + [("POST", "/v1/jobs")]
        self.answers: list[Answer] = []
        self._url = url
        self._done = Event()
        self._latest: dict[int, Answer] = {}
        self._threads = [Thread(target=self._ask, args=(number, *call)) for number, call in enumerate(calls)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def all_are_well(self, since: float) -> bool:
        """Whether each client has asked since then, and has got what it wanted."""
        latest = list(self._latest.values())
        return len(latest) == len(self._threads) and all(answer.is_good and answer.sent >= since for answer in latest)

    def slowest(self, *calls: str) -> float:
        """Of the answers to these calls, or to all but /livez."""
        times = [
            answer.seconds for answer in self.answers if (answer.call in calls if calls else answer.call != "/livez")
        ]
        return max(times, default=0.0)

    def seconds_to_recover(self, since: float) -> float:
        """From then to the last bad answer."""
        bad = [answer.received - since for answer in self.answers if not answer.is_good]
        return max([0.0, *bad])

    def wrong(self) -> list[Answer]:
        return [answer for answer in self.answers if not answer.is_right]

    def posted(self) -> Iterator[tuple[str, UUID | None]]:
        """The key of each job that was posted, and its id where it was told."""
        for answer in self.answers:
            if isinstance(answer.body, tuple):
                yield answer.body

    def _ask(self, number: int, method: str, path: str) -> None:
        with httpx2.Client(base_url=self._url, timeout=_LONGEST) as client:
            while not self._done.wait(_PAUSE):
                answer = _post(client) if method == "POST" else _get(client, path)
                self._latest[number] = answer
                self.answers.append(answer)


class Reader:
    """A client of a job's stream of events, from a position on, until the stream ends."""

    def __init__(self, url: str, job_id: UUID, position: str | None = None) -> None:
        self.position = position
        self.status: int | None = None
        self.epochs: list[int] = []
        self.error: str | None = None
        """What broke, where the stream did not end as a stream should."""
        self._url = f"{url}/v1/jobs/{job_id}/events"
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.position} if self.position else {})
        try:
            with httpx2.stream("GET", self._url, headers=headers, timeout=_LONGEST) as answer:
                self.status = answer.status_code
                for line in answer.iter_lines():
                    self._read(line)
        except httpx2.HTTPError as error:
            self.error = repr(error)

    def _read(self, line: str) -> None:
        if line.startswith("id: "):
            self.position = line.removeprefix("id: ")
        if line.startswith("data: ") and "epoch" in (told := json.loads(line.removeprefix("data: "))):
            self.epochs.append(told["epoch"])


def _get(client: httpx2.Client, path: str) -> Answer:
    sent = monotonic()
    try:
        answer = client.get(path)
    except httpx2.HTTPError as error:
        return Answer(path, sent, monotonic(), None, is_right=False, body=repr(error))
    is_right = answer.status_code == 200 or path == "/readyz" or _is_problem(answer)
    return Answer(path, sent, monotonic(), answer.status_code, is_right, body=None if is_right else answer.text)


def _post(client: httpx2.Client) -> Answer:
    key, sent = str(uuid4()), monotonic()
    try:
        answer = client.post("/v1/jobs", json=work.small(), headers={"Idempotency-Key": key})
    except httpx2.HTTPError:
        return Answer("POST", sent, monotonic(), None, is_right=False, body=(key, None))
    is_taken = answer.status_code == 202
    job_id = UUID(answer.json()["id"]) if is_taken else None
    return Answer("POST", sent, monotonic(), answer.status_code, is_taken or _is_problem(answer), body=(key, job_id))


def _is_problem(answer: httpx2.Response) -> bool:
    kind = answer.headers.get("content-type", "")
    return answer.status_code == 503 and "Retry-After" in answer.headers and kind == "application/problem+json"
