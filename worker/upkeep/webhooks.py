"""Sends what webhooks wait for, in every worker's main process."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.store import deliveries
from service.store.deliveries import Attempt, Batch, SendingLease
from service.store.tables import Delivery
from service.store.webhooks import disable_webhook
from service.webhooks.schedule import attempt_of, reason_to_disable, rest_seconds
from service.webhooks.signatures import signed_headers
from worker.process import Process
from worker.upkeep.periodic import PeriodicTask

if TYPE_CHECKING:
    from service.webhooks.sending import Answer

Result = TypeVar("Result")

_WEBHOOKS_AT_ONCE = 8
_OF_OWNER_AT_ONCE = 2
"""Webhooks of one owner, whose receivers may all be slow."""
_MESSAGES_AT_ONCE = 8
"""Of a webhook."""
_MOST_BATCHES = 20
"""Then others have their turn."""

log = structlog.get_logger()


class WebhookSender:
    """Looks every second for messages that are due, and sends them: a webhook is served by one process at a time.

    What was sent when the process dies or is cut off, and not noted yet, is sent again by others when the lease has
    run out.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._token = uuid7()
        self._served: set[UUID] = set()
        """Webhooks that messages are sent to now."""
        self._stopping = Event()
        self._pause = process.settings.reap_seconds
        self._lease_seconds = process.settings.lease_seconds
        self._task = PeriodicTask("webhooks", self.run_once, self._pause, at_end=self._leave)

    def start(self) -> None:
        self._task.start()

    def stop(self, seconds: float) -> None:
        """Begin nothing more, and wait at most this long. What is not answered by then is sent again by others."""
        self._stopping.set()
        self._task.stop(seconds)

    def run_once(self) -> None:
        """Send what is due, and what becomes due meanwhile. What that takes is loaded by those who have something."""
        if self._waiting():
            from anyio import run

            run(self._serve_all)

    async def _serve_all(self) -> None:
        from anyio import create_task_group, sleep, to_thread

        async with create_task_group() as tasks:
            tasks.start_soon(self._keep_leases)
            while not self._stopping.is_set():
                for lease in await _tried(to_thread.run_sync(self._claim)) or ():
                    self._served.add(lease.webhook_id)
                    tasks.start_soon(self._serve, lease)
                if not self._served:
                    break
                await sleep(self._pause)
            tasks.cancel_scope.cancel()

    async def _keep_leases(self) -> None:
        """An attempt may take longer than a lease lasts."""
        from anyio import sleep, to_thread

        while True:
            await sleep(self._process.settings.beat_seconds)
            await _tried(to_thread.run_sync(self._in_database, partial(self._extend, tuple(self._served))))

    async def _serve(self, lease: SendingLease) -> None:
        try:
            await _tried(self._send_batches(lease))
        finally:
            self._served.discard(lease.webhook_id)

    async def _send_batches(self, lease: SendingLease) -> None:
        """Send to a webhook while it accepts something."""
        from anyio import to_thread

        for _ in range(_MOST_BATCHES):
            batch = await to_thread.run_sync(self._next_batch, lease)
            if batch is None:
                break
            answers = await self._send(batch)
            if not await to_thread.run_sync(self._record, lease, batch, answers):
                return
        await to_thread.run_sync(self._in_database, lambda session: deliveries.leave_webhook(session, lease))

    async def _send(self, batch: Batch) -> "list[Answer]":
        """What came of each message, in their order. They are sent together."""
        from anyio import create_task_group

        from service.webhooks.sending import send_message

        answers: dict[UUID, Answer] = {}

        async def send(delivery: Delivery) -> None:
            body = (delivery.body or "").encode()
            headers = signed_headers(batch.secrets, str(delivery.id), int(batch.moment.timestamp()), body)
            allow_private = self._process.settings.webhooks_allow_private
            answers[delivery.id] = await send_message(
                batch.webhook.url, headers, body, moment=batch.moment, allow_private=allow_private
            )

        async with create_task_group() as tasks:
            for delivery in batch.deliveries:
                tasks.start_soon(send, delivery)
        return [answers[delivery.id] for delivery in batch.deliveries]

    def _record(self, lease: SendingLease, batch: Batch, answers: "list[Answer]") -> bool:
        """Whether more may be sent there now."""
        attempts = [attempt_of(*pair) for pair in zip(batch.deliveries, answers, strict=True)]
        wish = max(answer.retry_after for answer in answers)
        return self._in_database(lambda session: self._note(session, lease, batch, attempts, wish))

    def _note(self, session: Session, lease: SendingLease, batch: Batch, attempts: list[Attempt], wish: float) -> bool:
        webhook = deliveries.record_attempts(session, lease, attempts, self._lease_seconds)
        if webhook is None:
            return False
        if reason := reason_to_disable(webhook, batch.moment, attempts):
            disable_webhook(session, webhook.id, reason)
            log.warning("a webhook is disabled", webhook_id=str(webhook.id), reason=reason)
        if webhook.failing_since is None and not reason:
            return True
        deliveries.leave_webhook(session, lease, rest_seconds(webhook, batch.moment, wish))
        return False

    def _waiting(self) -> Sequence[UUID]:
        limit = _WEBHOOKS_AT_ONCE - len(self._served)
        look = partial(
            deliveries.webhooks_to_serve, served=tuple(self._served), limit=limit, of_owner=_OF_OWNER_AT_ONCE
        )
        with self._process.between_forks():
            return self._process.database.query(look)

    def _claim(self) -> list[SendingLease]:
        leases = [SendingLease(webhook_id, self._token) for webhook_id in self._waiting()]
        return [lease for lease in leases if self._in_database(partial(self._claim_one, lease))]

    def _claim_one(self, lease: SendingLease, session: Session) -> bool:
        return deliveries.claim_webhook(session, lease, self._lease_seconds)

    def _extend(self, webhook_ids: Collection[UUID], session: Session) -> None:
        deliveries.extend_leases(session, self._token, webhook_ids, self._lease_seconds)

    def _next_batch(self, lease: SendingLease) -> Batch | None:
        return self._in_database(lambda session: deliveries.due_deliveries(session, lease, limit=_MESSAGES_AT_ONCE))

    def _leave(self) -> None:
        self._in_database(lambda session: deliveries.leave_webhooks(session, self._token))

    def _in_database(self, action: Callable[[Session], Result]) -> Result:
        with self._process.between_forks(), self._process.database.writing() as session:
            result = action(session)
            session.commit()
        return result


async def _tried(action: Awaitable[Result]) -> Result | None:
    """What fails ends nothing else that is under way. A webhook is tried again when its lease has run out."""
    try:
        return await action
    except Exception as error:  # whatever it was: sends to others would be cut off with it
        log.warning("sending to webhooks failed; it is tried again", error=repr(error))
        return None
