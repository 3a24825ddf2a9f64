"""Start-up and end of the worker: its Celery application, its identity in SQL, its reaper."""

import gc
import os
import signal
import warnings
from time import monotonic, perf_counter, sleep
from typing import Any

import structlog
import torch
from celery import bootsteps, signals
from celery.exceptions import SecurityWarning

from service import logs, tracing
from service.errors import ServiceError
from service.queue import celery_app, queue_for
from service.startup import sentence
from service.store import schema
from service.store.database import Database
from slope.engines.rehearsal import load_kernels
from slope.optimizers import build_optimizer
from slope.spec import TrainingSpec
from worker.counts import share_counts
from worker.process import Process, current_process
from worker.rehearsal import rehearse
from worker.shutdown import STOP, ShutdownGuard
from worker.transport import install_transport
from worker.upkeep.broker_monitor import POLL, BrokerMonitor
from worker.upkeep.poller import JobPoller
from worker.upkeep.reaper import Reaper
from worker.upkeep.webhooks import WebhookSender

install_transport()
app = celery_app(current_process().settings.broker)
app.conf.include = ["worker.tasks"]
app.conf.worker_enable_remote_control = current_process().settings.worker_remote_control

_SCHEMA_POLL_SECONDS = 1.0
_SIGN_OFF_SECONDS = 1.5
"""How long the end of the worker waits for its sign-off: the database may not answer."""
_LAST_JOB_SECONDS = 5.0
"""How long the end of a child waits until the job that its poller found is put back."""
_ending: list[Reaper | WebhookSender] = []
"""What signs off when the worker ends."""
_inherited: list[Process] = []

log = structlog.get_logger()


def run_worker(slots: int) -> None:
    """Run the worker with this many training processes until it is told to end."""
    process = current_process()
    logs.configure_logs(process.settings)
    wait_for_schema(process.database)
    warm_up(process.settings.threads)
    share_counts(slots)
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
    """Return when the database is there, with the schema that this code works with. Logs what it waits for."""
    logged = None
    while missing := _missing(database):
        if missing != logged:
            log.warning("the worker waits", reason=missing)
        logged = missing
        sleep(_SCHEMA_POLL_SECONDS)
    database.dispose()  # children are born without connections of ours


def _missing(database: Database) -> str | None:
    try:
        is_current = schema.is_current(database)
    except ServiceError as error:
        return sentence(error)
    return None if is_current else "The database has another schema than this version needs: run `slope db upgrade`"


def warm_up(threads: int) -> None:
    """Load all that a first training would load, two seconds of it, so that children are born ready.

    The threads are set before any tensor exists, and no gradient is taken here: a forked child would hang or refuse.
    Compiled loops are compiled where they are not yet, for ten seconds or so at the first start on a machine.
    """
    torch.set_num_threads(threads)
    build_optimizer([torch.zeros(1, requires_grad=True)], TrainingSpec(learning_rate=0.01))
    started = perf_counter()
    load_kernels()
    log.debug("compiled loops are loaded", seconds=round(perf_counter() - started, 2))


@signals.setup_logging.connect
def _configure_logging(**_: Any) -> None:
    logs.configure_logs(current_process().settings)


class Upkeep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Starts what runs beside Celery when there are children, also while there is no broker yet."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        process = current_process()
        monitor = BrokerMonitor(process, lambda: worker.consumer.connection is not None)
        _ending.extend((WebhookSender(process), Reaper(process, worker.pool.num_processes, monitor)))
        for each in (ShutdownGuard(_end), monitor, *_ending):
            each.start()


app.steps["worker"].add(Upkeep)


@signals.worker_ready.connect
def _log_ready(**_: Any) -> None:
    process = current_process()
    log.info("worker ready", worker_id=str(process.worker_id), devices=[device.name for device in process.devices])


@signals.worker_process_init.connect
def _begin_child(**_: Any) -> None:
    _inherited.append(current_process())  # kept for ever: its connections are the parent's, and none may be closed here
    current_process.cache_clear()
    process = current_process()
    tracing.begin_tracing(process.settings, "worker")
    warm_up(process.settings.threads)
    signal.signal(STOP, lambda *_: process.stopping.set())
    poller = JobPoller(process)
    signal.signal(POLL, poller.wake)
    rehearse(process)
    gc.collect()
    gc.freeze()  # all that is loaded by now stays, and to look through it would stop a training for a tenth of a second
    poller.start()


@signals.worker_process_shutdown.connect
def _end_child(**_: Any) -> None:
    """Runs in the child. Celery has no task under way then: what still trains was found by the poller."""
    process = current_process()
    process.stopping.set()
    process.training_lock.acquire(timeout=_LAST_JOB_SECONDS)


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    deadline = monotonic() + _SIGN_OFF_SECONDS
    for each in _ending:
        each.stop(0.0)  # none waits for another
    for each in _ending:
        each.stop(max(0.0, deadline - monotonic()))
