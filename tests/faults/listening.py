"""A webhook that hears of all jobs: a message is to be sent whenever a fault comes, and none may be lost or made up."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from time import sleep
from uuid import UUID

import httpx2
from e2e.processes import until
from integration.webhooks.receiver import Answer, Received, Receiver
from sqlalchemy import func, select
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from faults import work
from faults.stage import Stage
from faults.work import Damage
from service.store.tables import Delivery, Job, Webhook
from service.store.tables import Event as Told

_STATUSES = ("succeeded", "failed", "cancelled", "paused")
_ANSWER_SECONDS = 0.5
"""A message is under way for this long."""
_LONGEST_SILENCE = 8.0
"""Of an answer that is withheld."""
_LIMIT_SECONDS = 120.0
"""What was not accepted is sent again when 5 s have passed, and then when a minute has."""


class Listener:
    """What a webhook was told of the jobs that were posted since it was made."""

    def __init__(self, stage: Stage, receiver: Receiver) -> None:
        self._stage = stage
        self._receiver = receiver
        self._answers = Event()
        self._answers.set()
        self._messages: dict[str, dict[str, str]] = {}
        """What each said, by its id."""
        self._unsigned: list[str] = []
        """Ids of those that were not signed, or not then."""
        wanted = {"url": receiver.url, "events": [f"job.{status}" for status in _STATUSES]}
        made = httpx2.post(f"{stage.api.url}/v1/webhooks", json=wanted, timeout=30).raise_for_status().json()
        self.id = UUID(made["id"])
        self._verifier = Verifier(made["secret"])
        receiver.answers = self._answer

    @property
    def received(self) -> list[Received]:
        """All messages as they came, those that came twice, too."""
        return list(self._receiver.received)

    def cause_a_message(self) -> None:
        """A job that nobody can train is cancelled, however often that has to be asked for."""
        job_id = self._stage.submit(work.small() | {"device": "cuda:99"})
        until(lambda: self._is_cancelled(job_id))

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Messages come in, and nobody hears an answer."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    def is_delivered(self, message_id: str) -> bool:
        with self._stage.database.reading() as session:
            return session.scalar(select(Delivery.status).where(Delivery.id == UUID(message_id))) == "delivered"

    def damage(self) -> Damage:
        """What was lost is what has happened and was not told; what was told and has not happened counts as doubled."""
        until(lambda: not self._waiting(), _LIMIT_SECONDS)
        happened, told = self._happened(), self._told()
        return Damage(lost=(happened - told).total(), duplicated=(told - happened).total())

    def leave(self) -> None:
        httpx2.delete(f"{self._stage.api.url}/v1/webhooks/{self.id}", timeout=30).raise_for_status()

    def _answer(self, received: Received) -> Answer:
        try:
            self._messages[received.id] = self._verifier.verify(received.body, received.headers)["data"]
        except WebhookVerificationError:
            self._unsigned.append(received.id)
        sleep(_ANSWER_SECONDS)
        self._answers.wait(_LONGEST_SILENCE)
        return Answer()

    def _is_cancelled(self, job_id: UUID) -> bool:
        with suppress(httpx2.HTTPError):
            answer = httpx2.post(f"{self._stage.api.url}/v1/jobs/{job_id}/cancel", timeout=30)
            return answer.status_code in (202, 409)
        return False

    def _waiting(self) -> int:
        with self._stage.database.reading() as session:
            waiting = select(func.count()).where(Delivery.webhook_id == self.id, Delivery.status == "waiting")
            return session.scalar(waiting) or 0

    def _happened(self) -> Counter[tuple[str, str]]:
        since = select(Webhook.created_at).where(Webhook.id == self.id).scalar_subquery()
        query = select(Told.job_id, Told.status).join(Job, Job.id == Told.job_id)
        ends = query.where(Told.kind == "status", Told.status.in_(_STATUSES), Job.created_at >= since)
        with self._stage.database.reading() as session:
            return Counter((str(row.job_id), str(row.status)) for row in session.execute(ends))

    def _told(self) -> Counter[tuple[str, str]]:
        """Each message once; of jobs that are still there."""
        assert not self._unsigned
        with self._stage.database.reading() as session:
            there = set(map(str, session.scalars(select(Job.id))))
        return Counter((data["id"], data["status"]) for data in self._messages.values() if data["id"] in there)


@contextmanager
def listening(stage: Stage) -> Iterator[Listener]:
    """Until the block ends."""
    with stage.receiver() as receiver:
        listener = Listener(stage, receiver)
        stage.before_faults.append(listener.cause_a_message)
        try:
            yield listener
        finally:
            stage.before_faults.remove(listener.cause_a_message)
            listener.leave()
