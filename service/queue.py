"""The bell. A message says only "look at this job"; what the job is and who may train it stands in SQL."""

import os
import socket
from base64 import b64encode
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import cache
from json import dumps
from time import monotonic
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid4

import structlog
from celery import Celery
from celery.utils import imports
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import ProducerPool

TASK = "slope.train"
_QUEUE = "slope"
_REST_SECONDS = 3.0
"""How long nobody rings after one has failed. The reaper rings later."""
_RINGS_AT_ONCE = 10

log = structlog.get_logger()


class Queue(Protocol):
    """What can be rung for a job."""

    def ring(self, job_id: UUID, device: str) -> bool:
        """Wake a worker that has the device. False when the broker did not take the message."""

    def ring_slots(self, job_ids: Sequence[UUID], device: str, slots: int) -> bool:
        """Wake as many slots for jobs that wait. False when the broker did not take the messages.

        Where as many bells wait to be heard, no more are rung: who hears one looks for all jobs that wait by then.
        """

    def is_reachable(self) -> bool:
        """Whether the broker answers."""

    def waiting(self, device: str) -> int:
        """How many bells for a device nobody has heard yet."""


@cache
def celery_app(broker_url: str) -> Celery:
    """The Celery application both processes use: JSON messages, no results, no waiting on a dead broker."""
    _forget_other_applications()
    url, options = _transport(broker_url)
    app = Celery("slope", broker=url)
    app.conf.update(_CONFIGURATION, broker_transport_options=options)
    return app


def _forget_other_applications() -> None:
    """Celery would take a broker and modules to import from the environment, and modules from the folder one is in."""
    for name in [name for name in os.environ if name.startswith("CELERY_") or name == "DJANGO_SETTINGS_MODULE"]:
        del os.environ[name]
    imports.cwd_in_path = nullcontext


def _transport(broker_url: str) -> tuple[str, dict[str, Any]]:
    """The URL without the limits of sockets in its query, which kombu does not take from there, and all the options."""
    address, _, query = broker_url.partition("?")
    asked = dict(parse_qsl(query))
    own = {name: float(asked.pop(name)) for name in _SECONDS if name in asked}
    return address + ("?" + urlencode(asked) if asked else ""), _CONNECTION | _SECONDS | own


class CeleryQueue:
    """Rings by the task's name: the service does not know the worker's code.

    After a ring that failed it pauses for some seconds: a client that submits many jobs does not wait for each of them.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._rests_until = 0.0
        self._producers = self._new_producers()

    def ring(self, job_id: UUID, device: str) -> bool:
        return self.ring_slots([job_id], device, 1)

    def ring_slots(self, job_ids: Sequence[UUID], device: str, slots: int) -> bool:
        producers, queue = self._producers, queue_for(device)
        if self._rests:
            return False
        try:
            with producers.acquire(block=True, timeout=_BRIEFLY) as producer:
                if self._rests:  # meanwhile another has waited in vain
                    return False
                with producer.channel.conn_or_acquire() as client:
                    # The broker says how many wait; Celery and kombu would not, and take longer to write the message.
                    for job_id in job_ids[:slots]:
                        if client.lpush(queue, dumps(bell(job_id, queue))) >= slots:
                            break
        except self._failures as error:
            self._rest(error)
            return False
        return True

    def prepare(self) -> None:
        """Connect what rings, if the broker answers: the first ring then finds everything loaded and connected."""
        with suppress(*self._failures), self._producers.acquire(block=True, timeout=_BRIEFLY) as producer:
            producer.channel.queue_declare(queue_for("auto"), durable=True)

    def is_reachable(self) -> bool:
        try:
            with self._app.connection_for_write(transport_options=_BRIEF) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=True)
        except OperationalError:
            return False
        return True

    def waiting(self, device: str) -> int:
        with self._app.connection_for_read() as connection:
            declared = connection.default_channel.queue_declare(queue_for(device), durable=True)
            return int(declared.message_count)

    @property
    def _rests(self) -> bool:
        return monotonic() < self._rests_until

    def _rest(self, error: Exception) -> None:
        """And let go of all connections: one was dead, and the others may be."""
        if not self._rests:
            log.warning("bell not rung: jobs wait for the reaper", error=str(error), next_ring_in=_REST_SECONDS)
        self._rests_until = monotonic() + _REST_SECONDS
        self._producers = self._new_producers()

    def _new_producers(self) -> ProducerPool:
        """Connections of the bell's own, which wait less than others. None is made before it is needed."""
        connection = self._app.connection_for_write(transport_options=_BRIEF)
        self._failures = (OperationalError, LimitExceeded, *connection.connection_errors, *connection.channel_errors)
        return ProducerPool(connection.Pool(_RINGS_AT_ONCE), limit=_RINGS_AT_ONCE)


def bell(job_id: UUID, queue: str) -> dict[str, Any]:
    """A message of Celery's second protocol, as kombu's virtual transports write it."""
    return {
        "body": b64encode(dumps([[str(job_id)], {}, {}]).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": TASK, "id": str(uuid4())},
        "properties": {
            "delivery_tag": str(uuid4()),
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
        },
    }


def queue_for(device: str) -> str:
    """The queue whose listeners have the device: `slope.cpu` for any, `slope.cuda`, `slope.cuda:1`."""
    return f"{_QUEUE}.{'cpu' if device == 'auto' else device}"


def is_for_bells(queue: str) -> bool:
    """Whether a queue is one of those."""
    return queue.startswith(f"{_QUEUE}.")


_CONFIGURATION: dict[str, Any] = {
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_ignore_result": True,
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": 1000,
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    "worker_cancel_long_running_tasks_on_connection_loss": True,  # Celery 6's way; early acks leave nothing to cancel
    "worker_proc_alive_timeout": 60.0,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "enable_utc": True,
}
_SECONDS = {
    "socket_timeout": 5.0,  # not for BRPOP, which waits in a poll and reads only what is there
    "socket_connect_timeout": 2.0,
    "health_check_interval": 3.0,  # a consumer whose connection is half-open notices after 2 × 3 + 1 s
}
_BRIEFLY = 1.0
_BRIEF = {"socket_timeout": _BRIEFLY, "socket_connect_timeout": _BRIEFLY}
"""Of connections that ring, or tell whether the broker answers: somebody waits for them."""
_KEEP_ALIVE = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}
"""As `service.store.database` has it: a connection whose cable is pulled fails within 5 s."""
_CONNECTION: dict[str, Any] = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _KEEP_ALIVE.items() if hasattr(socket, name)
    },
    "max_retries": 0,
}
