"""A crowd of small jobs through several workers, one process of which is killed every two seconds."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

import psutil
from e2e.processes import until
from sqlalchemy import func, select

from faults import work
from faults.stage import Stage, kill
from service.store.tables import Job
from slope.statuses import FINAL

SETTINGS = {"SLOPE_MAX_CRASHES": "1000"}
"""A process is killed every two seconds, whatever it does: one job may be hit more often than the three times after
which its worker's death is taken to be its own fault. Giving such a job up would be right, and not what is asked."""
_KILL_SECONDS = 2.0


@dataclass(frozen=True)
class Result:
    jobs: int
    succeeded: int
    lost: int
    duplicated: int
    killed: int
    attempts: int
    """The most that one job needed."""
    seconds: float

    @property
    def is_well(self) -> bool:
        return self.succeeded == self.jobs and self.lost == self.duplicated == 0

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs, {self.killed} processes killed: {self.succeeded} succeeded, {self.lost} lost, "
            f"{self.duplicated} duplicated; at most {self.attempts} attempts for one job; {self.seconds:.0f} s"
        )


def run(stage: Stage, jobs: int, limit_seconds: float = 1800.0) -> Result:
    expected = stage.reference(work.small)
    started = monotonic()
    killer = Killer(stage)
    with killer, ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: stage.submit(work.small()), range(jobs)))
        until(lambda: _waiting(stage) == 0, limit_seconds)
    seconds = monotonic() - started
    damages = [work.damage(stage.database, job, expected) + work.events_damage(stage.database, job) for job in ids]
    total = sum(damages, work.Damage())
    rows = [work.row(stage.database, job) for job in ids]
    succeeded, attempts = sum(row.status == "succeeded" for row in rows), max(row.attempt for row in rows)
    return Result(len(set(ids)), succeeded, total.lost, total.duplicated, killer.killed, attempts, seconds)


class Killer:
    """Kills one process of a random worker every two seconds, the main one as often as its child."""

    def __init__(self, stage: Stage) -> None:
        self.killed = 0
        self._stage = stage
        self._done = Event()
        self._thread = Thread(target=self._run, name="killer")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_KILL_SECONDS):
            with suppress(psutil.NoSuchProcess):
                self._strike()

    def _strike(self) -> None:
        """Those that are still starting are spared: they have no work to lose, and the others need their help."""
        stage = self._stage
        ready = [number for number, worker in enumerate(stage.workers) if worker.logged("worker ready")]
        if not ready:
            return
        number = stage.random.choice(ready)
        main = psutil.Process(stage.workers[number].pid)
        victim = stage.random.choice([main, *main.children()])
        kill(victim)
        self.killed += 1
        if victim is main:
            stage.workers[number].process.wait()
            stage.workers[number] = stage.add_worker()


def _waiting(stage: Stage) -> int:
    """How many jobs have not ended."""
    with stage.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.status.not_in(FINAL))) or 0
