"""What a worker's main process sends to webhooks: signed, again until it is accepted, and only where it may go."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from e2e.processes import until
from integration.webhooks.receiver import Answer, Received, Receiver
from integration.webhooks.test_outbox import hook
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from workbench import change

from service.settings import Settings
from service.store import deliveries
from service.store.database import Database
from service.store.deliveries import Attempt, SendingLease
from service.store.tables import Delivery, Webhook
from service.webhooks import schedule, sending, webhooks
from service.webhooks.schedule import DELAYS
from service.webhooks.signatures import signed_headers
from slope.spec.webhooks import WebhookChange
from worker.process import Process
from worker.upkeep.webhooks import WebhookSender


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhooks_allow_private": True, "reap_seconds": 0.01})


@pytest.fixture
def sender(process: Process) -> WebhookSender:
    return WebhookSender(process)


@pytest.fixture
def webhook(database: Database, receiver: Receiver) -> Webhook:
    return hook(database, url=receiver.url)


def send(database: Database, webhook: Webhook, *, many: int = 1) -> list[UUID]:
    """Messages that wait to be sent. They are tests, and are sent again as others are."""
    ids = [webhooks.send_test(database, webhook.id).id for _ in range(many)]
    change(database, lambda session: session.execute(update(Delivery).values(type="job.failed")))
    return ids


def delivery(database: Database, delivery_id: UUID) -> Delivery:
    with database.reading() as session:
        return session.scalars(select(Delivery).where(Delivery.id == delivery_id)).one()


def current(database: Database, webhook: Webhook) -> Webhook:
    with database.reading() as session:
        return webhooks.get_webhook(session, webhook.id)


def let_pass(database: Database, seconds: float) -> None:
    """As if all that was written had been written earlier."""
    earlier = timedelta(seconds=seconds)

    def shift(session: Any) -> None:
        for row in session.scalars(select(Delivery)):
            row.due_at = row.due_at and row.due_at - earlier
        for row in session.scalars(select(Webhook)):
            row.failing_since = row.failing_since and row.failing_since - earlier
            row.lease_until = row.lease_until and row.lease_until - earlier

    change(database, shift)


def test_a_message_is_signed_so_that_standard_webhooks_verifies_it(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    [message_id] = send(database, webhook)
    sender.run_once()

    [received] = receiver.received
    assert Verifier(webhook.secret).verify(received.body, received.headers) == received.document
    assert received.document["data"] == {"webhook_id": str(webhook.id)}
    assert (received.path, received.id) == ("/slope", str(message_id))
    assert received.headers["content-type"] == "application/json"
    found = delivery(database, message_id)
    assert (found.status, found.attempts, found.answered, found.due_at) == ("delivered", 1, 204, None)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(received.body + b" ", received.headers)


def test_while_secrets_rotate_both_verify_and_afterwards_the_new_one(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    new = webhooks.rotate_secret(database, webhook.id, 3600)
    send(database, webhook)
    sender.run_once()
    for secret in (webhook.secret, new.secret):
        assert Verifier(secret).verify(receiver.received[0].body, receiver.received[0].headers)

    change(database, lambda session: session.execute(update(Webhook).values(previous_until=webhook.created_at)))
    send(database, webhook)
    sender.run_once()
    assert Verifier(new.secret).verify(receiver.received[1].body, receiver.received[1].headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(receiver.received[1].body, receiver.received[1].headers)


def test_many_messages_are_sent_in_one_run_each_once(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    sent = send(database, webhook, many=30)
    sender.run_once()
    assert sorted(each.id for each in receiver.received) == sorted(map(str, sent))


def test_a_message_that_is_not_accepted_is_sent_again_over_a_day_and_then_given_up(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(500)
    [message_id] = send(database, webhook)
    for number, delay in enumerate((*DELAYS, None), 1):
        sender.run_once()
        found = delivery(database, message_id)
        assert (found.attempts, found.answered, found.error) == (number, 500, "It answered 500")
        if delay:
            assert found.status == "waiting"
            assert found.due_at
            assert found.last_attempt_at
            assert delay <= (found.due_at - found.last_attempt_at).total_seconds() <= 1.2 * delay
            sender.run_once()
            assert len(receiver.received) == number, "it is not sent before it is due"
            let_pass(database, 1.2 * delay + 1)
    assert (found.status, found.due_at) == ("failed", None)
    assert sum(DELAYS) > 24 * 3600
    assert len({(each.id, each.body) for each in receiver.received}) == 1


def test_an_accepted_message_ends_a_failure(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(503)
    [message_id] = send(database, webhook)
    sender.run_once()
    assert current(database, webhook).failing_since
    receiver.answers = lambda _: Answer(202)
    let_pass(database, 10)
    sender.run_once()
    found = delivery(database, message_id)
    assert (found.status, found.answered, found.error) == ("delivered", 202, None)
    assert current(database, webhook).failing_since is None


def test_after_a_failure_nothing_else_is_sent_there_for_a_while_and_longer_the_longer_it_lasts(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(500)
    for lasted, rest in ((0, 5), (100, 100), (1000, 300)):
        let_pass(database, lasted)
        seen = len(receiver.received)
        send(database, webhook)
        sender.run_once()
        assert len(receiver.received) == seen + 1
        send(database, webhook)
        sender.run_once()
        assert len(receiver.received) == seen + 1
        left = current(database, webhook)
        assert left.lease_until
        assert left.failing_since
        with database.writing() as session:
            now = session.info.get("now") or webhooks.now(session)
        assert rest * 0.8 < (left.lease_until - now).total_seconds() < rest + 2
        change(database, lambda session: session.execute(update(Delivery).values(due_at=None)))
        change(database, lambda session: session.execute(update(Webhook).values(lease_until=None)))


WISHES = [
    *[("120", 120), ("999999", 3600), ("soon", 5), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600)],
    ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 5),
    ("Mon, 01 Jan 2029 00:00:00 +99999999999999", 5),
]


@pytest.mark.parametrize(("wish", "seconds"), WISHES)
def test_retry_after_is_respected_within_reason(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver, wish: str, seconds: float
) -> None:
    receiver.answers = lambda _: Answer(429, {"Retry-After": wish})
    [message_id] = send(database, webhook)
    sender.run_once()
    found = delivery(database, message_id)
    assert found.due_at
    assert found.last_attempt_at
    assert seconds <= (found.due_at - found.last_attempt_at).total_seconds() <= 1.2 * seconds


def test_a_redirect_is_not_followed(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(307, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"})
    [message_id] = send(database, webhook)
    sender.run_once()
    assert [each.path for each in receiver.received] == ["/slope"]
    assert "redirects are not followed" in (delivery(database, message_id).error or "")


def test_gone_disables_the_webhook_and_says_why(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(410)
    [message_id] = send(database, webhook)
    sender.run_once()
    assert delivery(database, message_id).status == "failed"
    left = current(database, webhook)
    assert left.disabled_at
    assert left.disabled_reason == "It answered 410: there is no receiver any more"


def test_a_webhook_that_accepts_nothing_for_days_is_disabled_and_goes_on_when_it_is_enabled(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(500)
    [first] = send(database, webhook)
    sender.run_once()
    let_pass(database, 3 * 86_400)
    [second] = send(database, webhook)
    change(database, lambda session: session.execute(update(Delivery).values(attempts=len(DELAYS))))
    change(database, lambda s: s.execute(update(Delivery).where(Delivery.id == second).values(attempts=0)))
    sender.run_once()
    reason = current(database, webhook).disabled_reason or ""
    assert reason.startswith("It has accepted nothing since ")
    assert reason.endswith("It answered 500")
    assert [delivery(database, each).status for each in (first, second)] == ["failed", "waiting"]

    receiver.answers = lambda _: Answer()
    let_pass(database, 60)
    sender.run_once()
    assert delivery(database, second).status == "waiting"
    webhooks.edit_webhook(database, Settings(), webhook.id, WebhookChange(enabled=True))
    sender.run_once()
    assert delivery(database, second).status == "delivered"


def test_a_test_is_sent_once(database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(500)
    message_id = webhooks.send_test(database, webhook.id).id
    sender.run_once()
    found = delivery(database, message_id)
    assert (found.status, found.attempts, found.due_at) == ("failed", 1, None)


def test_what_was_delivered_can_be_sent_again_with_the_same_id_and_body(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    [message_id] = send(database, webhook)
    sender.run_once()
    webhooks.send_again(database, webhook.id, message_id)
    sender.run_once()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


def test_a_receiver_that_never_comes_to_an_end_is_left_in_time(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that says a little all the time."""
    monkeypatch.setattr(sending, "DEADLINE_SECONDS", 0.3)
    released = Event()

    def drip(_: Received) -> Answer:
        released.wait(30)
        return Answer()

    receiver.answers = drip
    [message_id] = send(database, webhook)
    sender.run_once()
    released.set()
    assert delivery(database, message_id).error == "There was no answer within 0.3 s"


def test_two_workers_send_each_message_once(
    database: Database, process: Process, webhook: Webhook, receiver: Receiver
) -> None:
    sent = send(database, webhook, many=20)
    others = [Thread(target=WebhookSender(replace(process)).run_once) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    WebhookSender(process).run_once()
    assert sorted(each.id for each in receiver.received) == sorted(map(str, sent))


def test_a_dead_webhook_does_not_hold_up_another(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    dead, told = hook(database, url=receiver.url.replace("slope", "dead")), Event()

    def answer(received: Received) -> Answer:
        if received.path == "/dead":
            told.wait(30)
        elif sum(each.path != "/dead" for each in list(receiver.received)) == 20:
            told.set()
        return Answer()

    receiver.answers = answer
    send(database, dead)
    send(database, webhook, many=20)
    sender.run_once()
    assert told.is_set()


def test_slow_receivers_of_one_owner_leave_places_to_another_s(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DEADLINE_SECONDS", 1000)
    slow = [hook(database, url=receiver.url.replace("slope", "slow")) for _ in range(8)]
    change(database, lambda session: session.execute(update(Webhook).values(owner="mallory")))
    is_quick = Webhook.id == webhook.id
    change(database, lambda session: session.execute(update(Webhook).where(is_quick).values(owner="alice")))
    begun, told = Event(), Event()

    def answer(received: Received) -> Answer:
        if received.path == "/slow":
            begun.set()
            told.wait(60)
        return Answer()

    receiver.answers = answer
    late = [message_id for each in slow for message_id in send(database, each)]
    sending_all = Thread(target=sender.run_once)
    sending_all.start()
    assert begun.wait(30)
    [message_id] = send(database, webhook)
    try:
        until(lambda: delivery(database, message_id).status == "delivered")
        assert {delivery(database, each).status for each in late} == {"waiting"}
    finally:
        told.set()
        sending_all.join()

    def are_delivered() -> bool:
        sender.run_once()  # a run ends where all places became free while it looked
        return {delivery(database, each).status for each in late} == {"delivered"}

    until(are_delivered)


@pytest.mark.parametrize("step", ["_next_batch", "_extend"])
def test_an_error_of_one_webhook_or_of_a_beat_ends_no_other_s_sending(
    database: Database,
    process: Process,
    webhook: Webhook,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """The message is answered after the error."""
    failed = Event()
    broken = hook(database, url=receiver.url.replace("slope", "broken"))
    stock = getattr(WebhookSender, step)

    def fail(self: WebhookSender, first: Any, *arguments: Any) -> Any:
        if step == "_extend" or first.webhook_id == broken.id:
            failed.set()
            raise ConnectionError
        return stock(self, first, *arguments)

    def hold(_: Received) -> Answer:
        failed.wait(30)
        return Answer()

    receiver.answers = hold
    monkeypatch.setattr(WebhookSender, step, fail)
    [message_id] = send(database, webhook)
    send(database, broken)
    beating = process.settings.model_copy(update={"beat_seconds": 0.05})
    WebhookSender(replace(process, settings=beating)).run_once()
    assert delivery(database, message_id).status == "delivered"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses that names stand for, each asked for once, the last for ever."""
    known: dict[str, list[str]] = {}
    stock = socket.getaddrinfo

    def look_up(host: str, port: int, *arguments: Any, **options: Any) -> Any:
        found = known.get(host)
        if found is None:
            return stock(host, port, *arguments, **options)
        address = found.pop(0) if len(found) > 1 else found[0]
        return stock(address, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_a_name_that_stands_for_a_private_address_is_not_asked(
    database: Database, process: Process, receiver: Receiver, names: dict[str, list[str]]
) -> None:
    names["hooks.example"] = ["127.0.0.1"]
    careful = replace(process, settings=process.settings.model_copy(update={"webhooks_allow_private": False}))
    [message_id] = send(database, hook(database, url=f"http://hooks.example:{receiver.port}/"))
    WebhookSender(careful).run_once()
    found = delivery(database, message_id)
    assert found.status == "waiting"
    assert (found.error or "").startswith("hooks.example is no address of the internet")
    assert "127.0.0.1" not in (found.error or ""), "what names stand for in our network is told to nobody"
    assert receiver.received == []


def test_a_name_is_asked_for_once_and_its_checked_address_is_the_one_that_is_connected_to(
    database: Database,
    process: Process,
    receiver: Receiver,
    names: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second look would find another address: as where a name is made to stand for this machine in between."""
    names["hooks.example"] = ["127.0.0.1", "127.0.0.99"]
    checked: list[str] = []
    monkeypatch.setattr(sending, "refuse_private", lambda _host, addresses: checked.extend(addresses))
    careful = replace(process, settings=process.settings.model_copy(update={"webhooks_allow_private": False}))
    [message_id] = send(database, hook(database, url=f"http://hooks.example:{receiver.port}/"))
    WebhookSender(careful).run_once()
    assert delivery(database, message_id).status == "delivered"
    assert checked == ["127.0.0.1"]
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_a_host_that_is_not_there_is_told(database: Database, sender: WebhookSender) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        [message_id] = send(database, hook(database, url=url))
        sender.run_once()
    assert (delivery(database, message_id).error or "").startswith("There is no connection to 127.0.0.1: ")


def test_nothing_is_loaded_and_little_asked_while_there_is_nothing_to_send(
    sender: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(WebhookSender, "_serve_all", refuse)
    sender.run_once()


def test_a_sender_that_stops_leaves_its_webhooks_to_others(
    database: Database, process: Process, webhook: Webhook, receiver: Receiver
) -> None:
    begun, released = Event(), Event()

    def hold(_: Received) -> Answer:
        begun.set()
        released.wait(30)
        return Answer()

    receiver.answers = hold
    [message_id] = send(database, webhook)
    leaving = WebhookSender(process)
    leaving.start()
    assert begun.wait(30)
    leaving.stop(30)
    released.set()
    assert delivery(database, message_id).status == "waiting"
    receiver.answers = lambda _: Answer()
    WebhookSender(process).run_once()
    assert delivery(database, message_id).status == "delivered"


def test_a_webhook_stays_with_who_sends_to_it_while_an_answer_takes_longer_than_a_lease(
    database: Database, process: Process, webhook: Webhook, receiver: Receiver
) -> None:
    def lease() -> datetime:
        return current(database, webhook).lease_until or webhook.created_at

    def answer_when_the_lease_has_been_extended(_: Received) -> Answer:
        first = lease()
        until(lambda: lease() > first)
        return Answer()

    receiver.answers = answer_when_the_lease_has_been_extended
    [message_id] = send(database, webhook)
    often = process.settings.model_copy(update={"beat_seconds": 0.01})
    WebhookSender(replace(process, settings=often)).run_once()
    assert delivery(database, message_id).status == "delivered"
    assert len(receiver.received) == 1


def test_who_hears_no_answer_leaves_a_message_as_another_has_delivered_it(database: Database, webhook: Webhook) -> None:
    """As who was cut off, and comes back when the message was sent again."""
    [message_id] = send(database, webhook)
    late, other = (SendingLease(webhook.id, uuid4()) for _ in range(2))
    change(database, lambda session: deliveries.claim_webhook(session, late, 0.0))
    change(database, lambda session: deliveries.claim_webhook(session, other, 60.0))
    for lease, attempt in (
        (other, Attempt(message_id, answered=204)),
        (late, Attempt(message_id, error="There was no answer within 10 s", again_in=5.0)),
    ):
        change(database, partial(_record, lease, attempt))

    found = delivery(database, message_id)
    assert (found.status, found.attempts, found.answered, found.due_at) == ("delivered", 1, 204, None)


def _record(lease: SendingLease, attempt: Attempt, session: Session) -> None:
    deliveries.record_attempts(session, lease, [attempt], 60.0)


def test_the_delays_of_a_message_are_of_a_day() -> None:
    assert schedule.DELAYS[0] == 5
    assert 24 <= sum(schedule.DELAYS) / 3600 <= 26


def test_the_verification_of_the_documentation_takes_what_is_sent_and_nothing_else(
    database: Database, sender: WebhookSender, webhook: Webhook, receiver: Receiver
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "webhooks.md").read_text()
    [program] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shown: dict[str, Any] = {}
    exec(program, shown)
    verify = shown["verify"]
    send(database, webhook)
    sender.run_once()
    [received] = receiver.received

    verify(webhook.secret, received.headers, received.body)
    with pytest.raises(ValueError, match="signature"):
        verify(webhook.secret, received.headers, received.body + b" ")
    with pytest.raises(ValueError, match="signature"):
        verify(webhook.secret, received.headers | {"webhook-timestamp": "0"}, received.body)
    old = signed_headers([webhook.secret], received.id, 1_700_000_000, received.body)
    with pytest.raises(ValueError, match="not of now"):
        verify(webhook.secret, old, received.body)
