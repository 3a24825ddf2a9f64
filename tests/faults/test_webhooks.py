"""Workers that die while they tell webhooks: every message arrives all the same, whatever was under way."""

import os
import signal
from collections.abc import Iterator
from threading import Lock
from uuid import UUID

import pytest
from integration.webhooks.receiver import Answer, Received, Receiver
from integration.workbench import FakeQueue, submit
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

import service.webhooks.sending  # noqa: F401  # for all that are forked
import worker.upkeep.webhooks
from service.jobs.jobs import cancel_job
from service.settings import Settings
from service.store.database import Database
from service.store.tables import Delivery
from service.webhooks.webhooks import create_webhook
from slope.spec.webhooks import WebhookRequest
from worker.process import Process
from worker.upkeep.webhooks import WebhookSender

KILLS = 20
JOBS = 30


class Killer:
    """Answers, and kills who sends before some answers and after others, so that it has or has not noted them."""

    def __init__(self) -> None:
        self.sender = 0
        self._lock = Lock()
        self._seen = 0

    def __call__(self, _: Received) -> Answer:
        with self._lock:
            self._seen += 1
            if self.sender and self._seen % 3 == 0:
                os.kill(self.sender, signal.SIGKILL)
                self.sender = 0
        return Answer()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL takes twice as long
def test_no_message_is_lost_however_often_who_sends_is_killed(
    database_url: str, settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that are forked and send: each is killed in the middle of it, until twenty have been."""
    monkeypatch.setattr(worker.upkeep.webhooks, "_MESSAGES_AT_ONCE", 2)
    hasty = {"webhooks_allow_private": True, "reap_seconds": 0.01, "lease_seconds": 0.05}
    chosen = settings.model_copy(update=hasty)
    database, killer = Database(database_url), Killer()
    create_webhook(database, chosen, WebhookRequest(url=receiver.url, events=["job.cancelled"]))
    receiver.answers = killer
    ended: list[UUID] = []
    for kill in range(KILLS):
        ended += [_cancelled(database) for _ in range(JOBS // 10)]
        database.dispose()
        assert _send(chosen, database_url, killer) == -signal.SIGKILL, kill
    killer.sender = 0
    while _waiting(database):
        database.dispose()
        assert _send(chosen, database_url, None) == 0

    told = {each.document["data"]["id"] for each in receiver.received}
    assert told == set(map(str, ended))
    assert len({each.id for each in receiver.received}) == len(ended)
    database.dispose()


def _cancelled(database: Database) -> UUID:
    job_id = submit(database)
    cancel_job(database, job_id)
    return job_id


def _waiting(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count(Delivery.id)).where(Delivery.status == "waiting")) or 0


def _send(settings: Settings, url: str, killer: Killer | None) -> int:
    """How a process ended that sends what is due. It begins when the killer knows it."""
    known, tell = os.pipe()
    if (child := os.fork()) == 0:
        os.close(tell)
        os.read(known, 1)
        _send_until_all_is_told(settings, url)
    if killer:
        killer.sender = child
    for end in (known, tell):
        os.close(end)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _send_until_all_is_told(settings: Settings, url: str) -> None:
    code = 1
    try:
        database = Database(url)
        sender = WebhookSender(Process(settings, database, [], uuid7(), FakeQueue()))
        while _waiting(database):
            sender.run_once()
        code = 0
    finally:
        os._exit(code)
