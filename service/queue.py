"""The bell. A message says only "look at this job"; what the job is and who may train it stands in SQL."""

from functools import cache
from typing import Any, Protocol
from uuid import UUID

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

TASK = "slope.train"
_QUEUE = "slope"

log = structlog.get_logger()


class Queue(Protocol):
    """What can be rung for a job."""

    def ring(self, job_id: UUID, device: str) -> bool:
        """Wake a worker that has the device. False when the broker did not take the message."""

    def is_reachable(self) -> bool:
        """Whether the broker answers."""

    def waiting(self, device: str) -> int:
        """How many bells for a device nobody has heard yet."""


@cache
def celery_app(broker_url: str) -> Celery:
    """The Celery application both processes use: JSON messages, no results, no waiting on a dead broker."""
    app = Celery("slope", broker=broker_url)
    app.conf.update(_CONFIGURATION)
    return app


class CeleryQueue:
    """Rings through Celery, by the task's name: the service does not know the worker's code."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, job_id: UUID, device: str) -> bool:
        try:
            self._app.send_task(TASK, args=[str(job_id)], queue=queue_for(device), retry=False)
        except OperationalError as error:
            log.warning("bell not rung: the job waits for the reaper", job_id=str(job_id), error=str(error))
            return False
        return True

    def is_reachable(self) -> bool:
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=1, reraise_as_library_errors=True)
        except OperationalError:
            return False
        return True

    def waiting(self, device: str) -> int:
        with self._app.connection_for_read() as connection:
            declared = connection.default_channel.queue_declare(queue_for(device), durable=True)
            return int(declared.message_count)


def queue_for(device: str) -> str:
    """The queue whose listeners have the device: `slope.cpu` for any, `slope.cuda`, `slope.cuda:1`."""
    return f"{_QUEUE}.{'cpu' if device == 'auto' else device}"


_CONFIGURATION: dict[str, Any] = {
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_ignore_result": True,
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": 1000,
    "worker_send_task_events": False,
    "worker_cancel_long_running_tasks_on_connection_loss": True,  # Celery 6's way; early acks leave nothing to cancel
    "worker_proc_alive_timeout": 60.0,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "socket_timeout": 5.0,
        "socket_connect_timeout": 2.0,
        "socket_keepalive": True,
        "health_check_interval": 3,  # a consumer whose connection is half-open notices after 2 × 3 + 1 s
        "max_retries": 0,
    },
    "enable_utc": True,
}
