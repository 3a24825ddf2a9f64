"""Start-up and end of the worker: its Celery application, its identity in SQL, its reaper."""

import os
import signal
import socket
import warnings
from typing import Any

import psutil
import structlog
import torch
from celery import signals
from celery.exceptions import SecurityWarning

from service import logs
from service.queue import CeleryQueue, celery_app, queue_for
from service.store import workers
from service.store.tables import Worker
from slope import __version__
from slope.optimizers import build_optimizer
from slope.spec import TrainingSpec
from worker.devices import requests_served
from worker.process import Process, current
from worker.reaper import Reaper

app = celery_app(current().settings.broker)
app.conf.include = ["worker.tasks"]

_LEAVE = signal.SIGUSR2
_reapers: list[Reaper] = []

log = structlog.get_logger()


def run(slots: int) -> None:
    """Run the worker with this many training processes until it is told to end."""
    process = current()
    warm_up(process.settings.threads)
    queues = sorted({queue_for(request) for request in requests_served(process.devices)})
    app.conf.worker_pool_start_method = "spawn" if len(process.devices) > 1 else "fork"
    warnings.filterwarnings("ignore", category=SecurityWarning)  # about root and pickle: we take nothing but JSON
    app.worker_main(
        [
            "--quiet",
            "worker",
            f"--concurrency={slots}",
            f"--queues={','.join(queues)}",
            "--without-gossip",
            "--without-mingle",
        ]
    )


def warm_up(threads: int) -> None:
    """Load all that a first training would load, two seconds of it, so that children are born ready.

    The threads are set before any tensor exists, and no gradient is taken here: a forked child would hang or refuse.
    """
    torch.set_num_threads(threads)
    build_optimizer([torch.zeros(1, requires_grad=True)], TrainingSpec())


@signals.setup_logging.connect
def _configure_logging(**_: Any) -> None:
    logs.configure(current().settings)


@signals.worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    process = current()
    with process.database.writing() as session:
        workers.add(session, _row(process, slots=sender.pool.num_processes))
        session.commit()
    reaper = Reaper(process, CeleryQueue(app))
    reaper.start()
    _reapers.append(reaper)
    log.info("worker ready", worker_id=str(process.worker_id), devices=[device.name for device in process.devices])


@signals.worker_process_init.connect
def _begin_child(**_: Any) -> None:
    inherited = current()
    inherited.database.dispose(close=False)  # the connections are the parent's
    current.cache_clear()
    process = current()
    warm_up(process.settings.threads)
    signal.signal(_LEAVE, lambda *_: process.leaving.set())


@signals.worker_shutting_down.connect
def _ask_children_to_leave(**_: Any) -> None:
    """Let running jobs be put back; the worker then ends as soon as its tasks have."""
    for child in psutil.Process().children():
        child.send_signal(_LEAVE)


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    process = current()
    for reaper in _reapers:
        reaper.stop()
    with process.database.writing() as session:
        workers.stop(session, process.worker_id)
        session.commit()


def _row(process: Process, slots: int) -> Worker:
    return Worker(
        id=process.worker_id,
        hostname=socket.gethostname(),
        process_id=os.getpid(),
        version=__version__,
        devices=[{"name": device.name, "description": device.description} for device in process.devices],
        slots=slots,
    )
