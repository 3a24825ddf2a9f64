"""Messages to webhooks are written in the transaction that ends a job, whichever way it ends, and only then."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from integration.load.test_statements import statements
from sqlalchemy import event, select
from workbench import (
    LECTURE,
    abandoned,
    change,
    claim,
    claim_group_of,
    claimed,
    end_job,
    jobs_of,
    request,
    storage,
    submit,
    submit_sweep,
)

from service.errors import WebhookNotFound
from service.jobs import jobs as use_cases
from service.jobs import many, pauses, sweeps
from service.settings import Settings
from service.store import deliveries
from service.store.database import Database
from service.store.deliveries import SendingLease
from service.store.events import Ending, JobChange
from service.store.jobs.lists import Filters
from service.store.leases.lost_leases import release_lost
from service.store.tables import Delivery, Job, Webhook
from service.upkeep.forgetting import forget_messages
from service.webhooks import webhooks
from slope.spec.webhooks import WebhookChange, WebhookRequest

EVERYTHING = ["job.succeeded", "job.failed", "job.cancelled", "job.paused", "sweep.finished"]
TWO = {"dataset": {"x": [1.0, 2.0], "y": [2.0, 4.0]}, "grid": {"learning_rate": [0.1, 0.2]}}
APART = TWO | {"hyperparameters": {"engine": "eager"}}


def hook(database: Database, *events: str, url: str = "https://example.org/slope") -> Webhook:
    wanted = WebhookRequest(url=url, events=list(events or EVERYTHING))
    return webhooks.create_webhook(database, Settings(webhooks_allow_private=True), wanted)


def told(database: Database, webhook: Webhook | None = None) -> list[dict[str, Any]]:
    """The messages that are written, in their order; those of sweeps that may have ended are settled before."""
    if webhook:
        settle(database, webhook)
    with database.reading() as session:
        bodies = session.scalars(select(Delivery.body).order_by(Delivery.created_at, Delivery.id)).all()
    return [json.loads(body) for body in bodies if body]


def settle(database: Database, webhook: Webhook) -> None:
    lease = SendingLease(webhook.id, uuid4())
    change(database, lambda session: deliveries.claim_webhook(session, lease, 0.0))
    change(database, lambda session: deliveries.due_deliveries(session, lease, limit=8))


def types(database: Database, webhook: Webhook | None = None) -> list[str]:
    return [each["type"] for each in told(database, webhook)]


def test_a_job_that_succeeds_is_told_with_what_it_came_to(
    database: Database, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    hook(database)
    job_id = trained(LECTURE)

    [message] = told(database)
    data = message["data"]
    assert (message["type"], data["id"], data["status"]) == ("job.succeeded", str(job_id), "succeeded")
    assert (data["name"], data["metadata"], data["epochs_done"]) == ("lecture", {"course": "autograd"}, 10)
    assert data["loss"]["last"] < data["loss"]["first"]
    assert message["timestamp"] == data["finished_at"]
    assert data["error"] is None


def ends_by_its_worker(database: Database) -> str:
    mine = claimed(database)
    change(database, lambda session: end_job(session, mine, "failed", error_code="diverged", error_detail="too fast"))
    return "job.failed"


def cancelled_while_it_waits(database: Database) -> str:
    use_cases.cancel_job(database, submit(database))
    return "job.cancelled"


def cancelled_by_a_filter(database: Database) -> str:
    submit(database, request() | {"name": "many"})
    many.cancel_jobs(database, Filters(name="many"), dry_run=False)
    return "job.cancelled"


def given_up_by_a_reaper(database: Database) -> str:
    mine = claimed(database)
    change(database, lambda session: release_lost(session, abandoned(mine), max_crashes=1))
    return "job.failed"


def paused_while_it_waits(database: Database) -> str:
    pauses.pause_job(database, submit(database))
    return "job.paused"


def paused_while_it_runs(database: Database) -> str:
    mine = claimed(database)
    pauses.pause_job(database, mine.job_id)
    change(database, lambda session: mine.put_back(session, "It is paused"))
    return "job.paused"


@pytest.mark.parametrize(
    "end",
    [
        ends_by_its_worker,
        cancelled_while_it_waits,
        cancelled_by_a_filter,
        given_up_by_a_reaper,
        paused_while_it_waits,
        paused_while_it_runs,
    ],
    ids=lambda end: end.__name__,
)
def test_whichever_way_a_job_ends_or_pauses_it_is_told_once(database: Database, end: Callable[[Database], str]) -> None:
    hook(database)
    assert end(database) == types(database)[0]
    assert len(told(database)) == 1


def test_what_is_no_end_is_not_told(database: Database) -> None:
    hook(database)
    mine = claimed(database)
    change(database, lambda session: mine.extend(session, 60.0, epochs_done=1))
    change(database, lambda session: mine.put_back(session, "The worker stops"))
    assert told(database) == []


def test_a_transaction_that_is_lost_takes_its_messages_along(database: Database) -> None:
    hook(database)
    mine = claimed(database)
    with suppress(InterruptedError), database.writing() as session:
        end_job(session, mine, "succeeded")
        raise InterruptedError
    assert told(database) == []

    change(database, lambda session: end_job(session, mine, "succeeded"))
    assert types(database) == ["job.succeeded"]


def test_each_webhook_is_told_of_what_it_asked_for_while_it_is_enabled(database: Database) -> None:
    failures, disabled = hook(database, "job.failed"), hook(database)
    webhooks.edit_webhook(database, Settings(), disabled.id, WebhookChange(enabled=False))
    for end in (cancelled_while_it_waits, ends_by_its_worker):
        end(database)
    with database.reading() as session:
        found = session.execute(select(Delivery.webhook_id, Delivery.type)).all()
    assert [tuple(row) for row in found] == [(failures.id, "job.failed")]


def test_without_webhooks_an_end_asks_nothing_more_of_the_database(database: Database) -> None:
    def end() -> list[str]:
        mine = claimed(database)
        with statements() as asked:
            change(database, lambda session: end_job(session, mine, "succeeded"))
        return [each.split()[0] for each in asked if not each.startswith("BEGIN")]

    without = end()
    webhook = hook(database, "job.failed")
    heard = end()
    webhooks.delete_webhook(database, webhook.id)
    assert end() == without
    assert len(heard) == len(without) + 1  # who listens, and nobody does to this


def test_a_sweep_that_trains_together_is_finished_once(database: Database, train_groups: Callable[[str], None]) -> None:
    webhook = hook(database, "sweep.finished")
    sweep_id = submit_sweep(database, TWO | {"name": "pair", "metadata": {"of": "two"}})
    train_groups(str(sweep_id))

    [message] = told(database, webhook)
    assert message["data"] | {"created_at": None} == {
        "id": str(sweep_id),
        "name": "pair",
        "metadata": {"of": "two"},
        "jobs": {"succeeded": 2},
        "created_at": None,
    }


def test_a_sweep_is_finished_when_the_last_of_its_jobs_has_ended_and_not_before(database: Database) -> None:
    webhook = hook(database, "sweep.finished")
    first, second = (job.id for job in jobs_of(database, submit_sweep(database, APART)))
    use_cases.cancel_job(database, first)
    assert told(database, webhook) == []
    use_cases.cancel_job(database, second)
    assert types(database, webhook) == ["sweep.finished"]
    assert types(database, webhook) == ["sweep.finished"]


def test_a_sweep_is_finished_when_its_last_open_job_is_deleted(database: Database) -> None:
    webhook = hook(database, "sweep.finished")
    first, second = (job.id for job in jobs_of(database, submit_sweep(database, APART)))
    use_cases.cancel_job(database, first)
    use_cases.delete_job(database, storage(), second)
    assert told(database, webhook)[0]["data"]["jobs"] == {"cancelled": 1}


def test_a_sweep_whose_last_jobs_end_at_the_same_time_is_finished_all_the_same(postgresql_url: str) -> None:
    """Neither transaction sees what the other one does."""
    database = Database(postgresql_url)
    webhook = hook(database, "sweep.finished")
    leases = [claim(database, job.id) for job in jobs_of(database, submit_sweep(database, APART))]
    with database.writing() as one, database.writing() as other:
        for session, mine in zip((one, other), leases, strict=True):
            assert mine
            end_job(session, mine, "succeeded")
        one.commit()
        assert told(database, webhook) == []
        other.commit()
    assert types(database, webhook) == ["sweep.finished"]
    database.dispose()


def test_messages_stay_when_what_they_tell_of_is_deleted(database: Database) -> None:
    webhook = hook(database)
    sweep_id = submit_sweep(database, APART)
    sweeps.cancel_sweep(database, sweep_id)
    assert types(database, webhook) == ["job.cancelled", "job.cancelled", "sweep.finished"]
    sweeps.delete_sweep(database, storage(), sweep_id)
    assert len(told(database)) == 3


def test_a_webhook_that_is_deleted_while_a_job_ends_does_not_keep_it_from_ending(database: Database) -> None:
    webhook = hook(database)
    mine = claimed(database)
    if database.is_sqlite:  # writers come one after the other there
        webhooks.delete_webhook(database, webhook.id)
        change(database, lambda session: end_job(session, mine, "succeeded"))
        return
    with database.writing() as session:
        end_job(session, mine, "succeeded")
        deleting = Thread(target=webhooks.delete_webhook, args=(database, webhook.id))
        deleting.start()
        deleting.join(30)
        session.commit()
    assert types(database) == ["job.succeeded"]  # an orphan, which goes when it is old


def test_old_messages_are_forgotten(database: Database) -> None:
    hook(database)
    cancelled_while_it_waits(database)
    assert forget_messages(database, timedelta(days=30)) == 0
    assert forget_messages(database, timedelta(days=-1)) == 1
    assert told(database) == []


def test_a_group_that_fails_is_told_job_by_job(database: Database) -> None:
    hook(database, "job.failed")
    found = jobs_of(database, submit_sweep(database, TWO))
    mine = claim_group_of(database, found[0].id)
    assert mine
    endings = [JobChange(job.id, {}, ending=Ending("failed")) for job in found]
    change(database, lambda session: mine.change(session, endings, 0.0))
    assert sorted(each["data"]["id"] for each in told(database)) == sorted(str(job.id) for job in found)


def test_numbers_that_are_not_finite_are_null(database: Database) -> None:
    hook(database)
    mine = claimed(database)
    change(database, lambda session: end_job(session, mine, "failed", loss_last=float("inf")))
    with database.reading() as session:
        assert session.scalar(select(Job.loss_last)) == float("inf")
    assert told(database)[0]["data"]["loss"]["last"] is None


def test_webhooks_are_told_of_what_is_their_owner_s_and_are_there_for_nobody_else(database: Database) -> None:
    ada, bob = (database.of_owner(name, sees_all=False) for name in ("ada", "bob"))
    of_ada, of_bob = hook(ada), hook(bob)
    for view, sweep in ((ada, submit_sweep(ada, APART)), (bob, None)):
        cancelled_while_it_waits(view)
        if sweep:
            sweeps.cancel_sweep(view, sweep)
    settle(database, of_ada)
    settle(database, of_bob)

    def heard(view: Database, webhook: Webhook) -> list[str]:
        with view.reading() as session:
            found, _ = webhooks.list_deliveries(session, webhook.id, status=None, before=None, limit=10)
        return sorted(each.type for each in found)

    assert heard(ada, of_ada) == ["job.cancelled", "job.cancelled", "job.cancelled", "sweep.finished"]
    assert heard(bob, of_bob) == ["job.cancelled"]
    assert heard(database, of_bob) == ["job.cancelled"]
    with pytest.raises(WebhookNotFound):
        heard(bob, of_ada)
    with pytest.raises(WebhookNotFound):
        webhooks.edit_webhook(bob, Settings(), of_ada.id, WebhookChange(enabled=False))
    assert webhooks.edit_webhook(ada, Settings(), of_ada.id, WebhookChange(name="mine")).name == "mine"
    with ada.reading() as session:
        assert webhooks.get_webhook(session, of_ada.id).name == "mine"
    webhooks.send_again(ada, of_ada.id, webhooks.send_test(ada, of_ada.id).id)
    webhooks.rotate_secret(ada, of_ada.id, 60)
    webhooks.delete_webhook(ada, of_ada.id)
    assert heard(database, of_bob) == ["job.cancelled"]


def test_an_end_reads_no_other_owner_s_webhooks(database: Database) -> None:
    ada, bob = (database.of_owner(name, sees_all=False) for name in ("ada", "bob"))
    own, _ = hook(ada), hook(bob)
    read: list[UUID] = []
    mine = claim(database, submit(ada))
    assert mine

    def note(webhook: Webhook, _context: object) -> None:
        read.append(webhook.id)

    event.listen(Webhook, "load", note)
    try:
        change(database, lambda session: end_job(session, mine, "succeeded"))
    finally:
        event.remove(Webhook, "load", note)
    assert read == [own.id]
