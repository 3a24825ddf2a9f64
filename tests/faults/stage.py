"""A whole service to break: a database, a broker behind a proxy, an API and workers, each of them to be replaced."""

import signal
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from functools import cache
from pathlib import Path
from random import Random
from socket import socket
from time import monotonic, sleep
from typing import Self
from uuid import UUID, uuid4

import httpx2
import psutil
from e2e.processes import LIMIT_SECONDS, Program, module, until
from e2e.services import Api, Broker, Place
from integration.webhooks.receiver import Receiver

from faults import work
from faults.postgres import OwnPostgreSQL
from faults.proxy import Proxy
from faults.work import Damage, Json, Remains
from service.queue import CeleryQueue, celery_app
from service.store import schema
from service.store.database import Database

_PRIVATE_WEBHOOKS = {"SLOPE_WEBHOOKS_ALLOW_PRIVATE": "true"}


class Stage:
    """Everything runs until the block ends. `random` chooses the moments: the same seed, the same choices."""

    def __init__(
        self,
        folder: Path,
        socket_path: Path,
        *,
        postgresql: OwnPostgreSQL | None = None,
        workers: int = 2,
        seed: int = 0,
        settings: dict[str, str] | None = None,
    ) -> None:
        """Without PostgreSQL it runs on SQLite. Settings are environment variables for all processes."""
        self.folder = folder
        self.postgresql = postgresql
        self.random = Random(seed)
        self.workers: list[Program] = []
        self.before_faults: list[Callable[[], None]] = []
        """What is done when a fault is about to come, so that it finds something under way."""
        self._wanted = workers
        self._stack = ExitStack()
        self._broker = Broker(folder, socket_path)
        self._socket_path = socket_path
        self._settings = settings or {}

    def __enter__(self) -> Self:
        self.database = Database(self._url)
        self._stack.callback(self.database.dispose)
        schema.upgrade_schema(self.database)
        self._start_broker()
        self.queue = CeleryQueue(celery_app(self._broker.url))
        storage = {"SLOPE_STORAGE_URL": (self.folder / "objects").as_uri()}
        self.environment = self._addresses() | storage | _PRIVATE_WEBHOOKS | self._settings
        self.api = self.add_api()
        self.workers = [self.add_worker() for _ in range(self._wanted)]
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:  # what stands still cannot be asked to end
            for process in worker.family():
                with suppress(psutil.Error):
                    process.kill()
        self._stack.close()

    @property
    def broker(self) -> Broker:
        return self._broker

    def receiver(self) -> Receiver:
        """Takes messages where workers reach it."""
        return Receiver()

    def add_api(
        self, environment: dict[str, str] | None = None, *, shared: socket | None = None, place: Place = nullcontext
    ) -> Api:
        api = Api(self.folder, self.environment | (environment or {}), place, shared=shared)
        self._stack.enter_context(api.program)
        return api

    def replace_api(self, listener: socket) -> Api:
        """One more API on a socket, and the end of the one before, when the new one is ready."""
        before, self.api = self.api, self.add_api(shared=listener)
        self.api.program.until_logged("api ready")
        assert before.program.end(signal.SIGTERM) == -signal.SIGTERM
        return self.api

    def add_worker(self, environment: dict[str, str] | None = None) -> Program:
        surroundings = self.environment | (environment or {})
        return self._stack.enter_context(module(self.folder, "worker", "1", environment=surroundings))

    def settle(self) -> None:
        """Replace what has died, and wait until all is up."""
        if self.api.program.process.poll() is not None:
            self.api = self.add_api()
        self.workers = [worker if worker.process.poll() is None else self.add_worker() for worker in self.workers]
        for worker in self.workers:
            worker.until(lambda worker=worker: worker.logged("worker ready") and worker.children())
        self.api.until_ready()

    @cache  # noqa: B019  # a stage lives as long as its tests
    def reference(self, make: Callable[[], Json]) -> Remains:
        """What a run leaves that nothing happens to."""
        job_id = self.submit(make())
        self.wait(job_id)
        assert work.row(self.database, job_id).attempt == 1
        return Remains.of(self.database, job_id)

    def submit(self, request: Json, key: str | None = None) -> UUID:
        """Post a job, again and again while the service cannot take it."""
        headers = {"Idempotency-Key": key or str(uuid4())}

        def post() -> UUID | None:
            with suppress(httpx2.HTTPError):
                answer = httpx2.post(f"{self.api.url}/v1/jobs", json=request, headers=headers, timeout=30)
                if answer.status_code in (200, 202):
                    return UUID(answer.json()["id"])
                assert answer.status_code in (409, 503), answer.text
            return None

        job_id = until(post)
        assert job_id
        return job_id

    def submit_sweep(self, request: Json) -> list[UUID]:
        """Post a sweep. Its jobs, in the order of their settings."""
        sweep = httpx2.post(f"{self.api.url}/v1/sweeps", json=request, timeout=30).raise_for_status().json()
        listed = httpx2.get(f"{self.api.url}/v1/jobs", params={"sweep_id": sweep["id"], "limit": 1000}, timeout=30)
        return [UUID(job["id"]) for job in listed.raise_for_status().json()["data"]][::-1]

    def underway(self, make: Callable[[], Json]) -> UUID:
        """A job that has got to a random epoch, and then some milliseconds further."""
        total = len(self.reference(make).epochs)
        job_id = self.submit(make())
        target = self.random.randint(1, int(0.6 * total))
        until(lambda: work.recorded(self.database, job_id) >= target)
        self.prepare_fault()
        self.pause(0.25)  # so that the fault also comes between two flushes, and in the middle of one
        return job_id

    def prepare_fault(self) -> None:
        for begin in self.before_faults:
            begin()

    def pause(self, longest: float) -> None:
        """Let a random time pass: it is the moment of the fault, and nothing is waited for."""
        sleep(self.random.uniform(0, longest))

    def wait(self, job_id: UUID, seconds: float = 2 * LIMIT_SECONDS) -> str:
        """The status of a job when it has ended."""

        def ended() -> str | None:
            job = work.row(self.database, job_id)
            return job.status if job.is_final else None

        return until(ended, seconds) or ""

    def trainer(self, job_id: UUID) -> psutil.Process | None:
        """The process that trains a job, None when the job has already ended."""
        job = work.row(self.database, job_id)
        return psutil.Process(job.process_id) if job.process_id else None

    def worker_of(self, job_id: UUID) -> Program | None:
        """The worker that trains a job."""
        trainer = self.trainer(job_id)
        main = trainer.ppid() if trainer else None
        return next((worker for worker in self.workers if worker.pid == main), None)

    def seconds_to_next_epoch(self, job_id: UUID, fault: Callable[[], None]) -> float | None:
        """Do something to the service, and tell how long it then took until another epoch stood in SQL.

        None when the job had nothing more to record.
        """
        fault()
        started, before = monotonic(), self._recorded(job_id)

        def has_gone_on() -> bool:
            return self._recorded(job_id) > before or work.row(self.database, job_id).is_final

        until(has_gone_on, 2 * LIMIT_SECONDS)
        return monotonic() - started if self._recorded(job_id) > before else None

    def inspect(self, job_id: UUID, make: Callable[[], Json]) -> Damage:
        """Wait for a job's end, and compare it with an uninterrupted run."""
        return self.compare(job_id, self.reference(make))

    def compare(self, job_id: UUID, expected: Remains) -> Damage:
        """Wait for a job's end, and compare what it has left."""
        self.wait(job_id)
        return work.damage(self.database, job_id, expected) + work.events_damage(self.database, job_id)

    @property
    def _url(self) -> str:
        """Of the database, for us."""
        return self.postgresql.url if self.postgresql else f"sqlite:///{self.folder / 'slope.db'}"

    def _start_broker(self) -> None:
        self._broker.start()
        self._stack.callback(self._broker.stop)

    def _addresses(self) -> dict[str, str]:
        """Where API and workers find database and broker."""
        self.proxy = self._stack.enter_context(Proxy(str(self._socket_path)))
        return {"SLOPE_DATABASE_URL": self._url, "SLOPE_BROKER_URL": f"redis://127.0.0.1:{self.proxy.port}/0"}

    def _recorded(self, job_id: UUID) -> int:
        return work.recorded(self.database, job_id)


def kill(*processes: psutil.Process) -> None:
    """SIGKILL, and wait until the processes are gone."""
    for number in (signal.SIGSTOP, signal.SIGKILL):  # together: none sees another die
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    until(lambda: not any(_lives(process) for process in processes))


def family_of(worker: Program) -> list[psutil.Process]:
    """The main process and its children."""
    return [psutil.Process(worker.pid), *worker.children()]


def _lives(process: psutil.Process) -> bool:
    """A process is called a zombie when its first thread has ended; it can be waited for when the others have, too."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    return False
