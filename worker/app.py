"""Start-up and end of the worker: its Celery application, its identity in SQL, its reaper."""

import os
import signal
import warnings
from time import sleep
from typing import Any

import structlog
import torch
from celery import bootsteps, signals
from celery.exceptions import SecurityWarning

from service import logs
from service.errors import ServiceError
from service.queue import celery_app, queue_for
from service.store import schema
from service.store.database import Database
from slope.optimizers import build_optimizer
from slope.spec import TrainingSpec
from worker import listening
from worker.hearing import CALL, Hearing
from worker.leaving import LEAVE, Departure
from worker.lookout import Lookout
from worker.process import Process, current
from worker.reaper import Reaper
from worker.rehearsal import rehearse

listening.install()
app = celery_app(current().settings.broker)
app.conf.include = ["worker.tasks"]
app.conf.worker_enable_remote_control = current().settings.worker_remote_control

_LOOK_SECONDS = 1.0
_LAST_ROUND_SECONDS = 1.5
"""How long the end of the worker waits until it is signed off: the database may not answer."""
_LAST_JOB_SECONDS = 5.0
"""How long the end of a child waits for a job that is put back, which it had not from Celery."""
_reapers: list[Reaper] = []
_inherited: list[Process] = []

log = structlog.get_logger()


def run(slots: int) -> None:
    """Run the worker with this many training processes until it is told to end."""
    process = current()
    logs.configure_logs(process.settings)
    wait_for_schema(process.database)
    warm_up(process.settings.threads)
    queues = sorted({queue_for(request) for request in process.requests_served})
    app.conf.worker_pool_start_method = "spawn" if len(process.devices) > 1 else "fork"
    warnings.filterwarnings("ignore", category=SecurityWarning)  # about root and pickle: we take nothing but JSON
    os.environ["PYTHONSAFEPATH"] = "1"  # children that are spawned look for nothing in the folder one is in
    # Not by Celery's command line, which would obey variables of other applications, such as APP and BROKER_URL.
    program = app.Worker(
        concurrency=slots,
        queues=queues,
        quiet=True,
        without_gossip=True,
        without_heartbeat=True,
        without_mingle=True,
    )
    program.start()


def wait_for_schema(database: Database) -> None:
    """Return when the database is there, with the schema that this code works with. Tells what it waits for."""
    known = None
    while missing := _missing(database):
        if missing != known:
            log.warning("the worker waits", reason=missing)
        known = missing
        sleep(_LOOK_SECONDS)
    database.dispose()  # children are born without connections of ours


def _missing(database: Database) -> str | None:
    try:
        is_current = schema.is_current(database)
    except ServiceError as error:
        return f"The database does not answer: {error}"
    return None if is_current else "The database has another schema than this version needs: run `slope db upgrade`"


def warm_up(threads: int) -> None:
    """Load all that a first training would load, two seconds of it, so that children are born ready.

    The threads are set before any tensor exists, and no gradient is taken here: a forked child would hang or refuse.
    """
    torch.set_num_threads(threads)
    build_optimizer([torch.zeros(1, requires_grad=True)], TrainingSpec())


@signals.setup_logging.connect
def _configure_logging(**_: Any) -> None:
    logs.configure_logs(current().settings)


class Watch(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Looks around from when there are children, also while there is no broker yet."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        process = current()
        hearing = Hearing(process, lambda: worker.consumer.connection is not None)
        reaper = Reaper(process, worker.pool.num_processes, hearing)
        _reapers.append(reaper)
        for each in (Departure(_end), hearing, reaper):
            each.start()


app.steps["worker"].add(Watch)


@signals.worker_ready.connect
def _tell(**_: Any) -> None:
    process = current()
    log.info("worker ready", worker_id=str(process.worker_id), devices=[device.name for device in process.devices])


@signals.worker_process_init.connect
def _begin_child(**_: Any) -> None:
    _inherited.append(current())  # kept for good: its connections are the parent's, and none may be closed here
    current.cache_clear()
    process = current()
    warm_up(process.settings.threads)
    signal.signal(LEAVE, lambda *_: process.leaving.set())
    lookout = Lookout(process)
    signal.signal(CALL, lookout.call)
    rehearse(process)
    lookout.start()


@signals.worker_process_shutdown.connect
def _end_child(**_: Any) -> None:
    """Sent in the child: what it trains now, it trains in the thread of its lookout."""
    process = current()
    process.leaving.set()
    process.turn.acquire(timeout=_LAST_JOB_SECONDS)


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    for reaper in _reapers:
        reaper.stop(_LAST_ROUND_SECONDS)
