"""Every kind of fault, many times, and what is to be said about it in a table."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import median
from time import monotonic
from typing import Self
from uuid import UUID

from e2e.processes import until
from e2e.services import Serve
from rich.console import Console
from rich.table import Table

from faults import batches, calls, kinds, operations, work
from faults.copying import with_backup
from faults.kinds import FAULTS
from faults.listening import listening
from faults.stage import Stage, kill
from faults.trial import Fault, Trial
from faults.work import Remains
from service.store.database import Database

SERVE_KILLED = "all of `slope serve` killed, and started again"
_ON_SQLITE = (
    kinds.training_process_killed,
    kinds.worker_main_killed,
    kinds.worker_family_killed,
    kinds.worker_terminated,
    kinds.broker_emptied,
    calls.api_killed_in_a_post,
    kinds.cancelled_at_the_finish,
    calls.training_process_killed_in_a_pause,
    kinds.training_process_killed_after_going_on,
    calls.api_killed_in_a_rerun,
    calls.api_killed_in_a_pause_and_in_a_resume,
    batches.training_process_killed_with_a_batch,
    batches.training_process_killed_with_groups,
    operations.backup_killed,
)
ON_SQLITE = {name: fault for name, fault in FAULTS.items() if fault in _ON_SQLITE}


@dataclass
class Report:
    """All trials of one kind."""

    where: str
    kind: str
    trials: list[Trial] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Trials that did not come to an end, each with its reason."""

    @property
    def lost(self) -> int:
        return len(self.failures) + sum(trial.damage.lost for trial in self.trials)

    @property
    def duplicated(self) -> int:
        return sum(trial.damage.duplicated for trial in self.trials)

    @property
    def is_well(self) -> bool:
        return self.lost == self.duplicated == 0

    @property
    def recoveries(self) -> list[float]:
        return [trial.recovery for trial in self.trials if trial.recovery is not None]

    @property
    def figures(self) -> str:
        """The largest of what else was measured."""
        largest: dict[str, float] = {}
        for trial in self.trials:
            for name, figure in trial.figures.items():
                largest[name] = max(figure, largest.get(name, figure))
        return ", ".join(f"{name} {figure:.1f}" for name, figure in largest.items())


def run(where: str, stage: Stage, faults: dict[str, Fault], trials: int, console: Console) -> list[Report]:
    """Every fault as often as is wished, with jobs of both sorts in turn."""
    reports = []
    for name, fault in faults.items():
        report = Report(where, name)
        for number in range(trials):
            started = monotonic()
            _try(report, lambda fault=fault, number=number: _trial(stage, fault, number))
            console.print(f"{where}: {name} {number + 1}/{trials}, {monotonic() - started:.1f} s{_last(report)}")
        reports.append(report)
    return reports


def run_serve(folder: Path, trials: int, seed: int, console: Console) -> Report:
    report = Report("slope serve on SQLite", SERVE_KILLED)
    with ServeStage(folder, seed) as stage:
        for number in range(trials):
            _try(report, stage.trial)
            console.print(f"{report.where}: {report.kind} {number + 1}/{trials}{_last(report)}")
    return report


class ServeStage:
    """`slope serve` on SQLite, all of whose processes are killed at once."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self._serve = Serve(folder)
        self._file = folder / "slope.db"
        self._random = Random(seed)

    def __enter__(self) -> Self:
        self._serve.start()
        self._database = Database(f"sqlite:///{self._file}")
        job_id = self._submit()
        self._wait(job_id)
        self._expected = Remains.of(self._database, job_id)
        return self

    def __exit__(self, *_: object) -> None:
        self._database.dispose()
        self._serve.__exit__()

    def trial(self) -> Trial:
        """The recovery counts from the next start."""
        job_id = self._submit()
        target = self._random.randint(1, len(self._expected.epochs) // 2)
        until(lambda: self._recorded(job_id) >= target)
        kill(*self._serve.program.family())
        started, before = monotonic(), self._recorded(job_id)
        self._serve.start()
        until(lambda: self._recorded(job_id) > before or work.row(self._database, job_id).is_final)
        recovery = monotonic() - started if self._recorded(job_id) > before else None
        self._wait(job_id)
        found = work.damage(self._database, job_id, self._expected)
        return Trial(found + work.events_damage(self._database, job_id), recovery)

    def _submit(self) -> UUID:
        with self._serve.client as client:
            return client.submit(work.long()).id

    def _wait(self, job_id: UUID) -> None:
        with self._serve.client as client:
            client.wait(str(job_id))

    def _recorded(self, job_id: UUID) -> int:
        return work.recorded(self._database, job_id)


def table(reports: list[Report]) -> Table:
    shown = Table("where", "kind", "trials", "lost", "duplicated", "recovery p50", "max", "else, at most")
    for report in reports:
        times = report.recoveries
        half, worst = (f"{median(times):.1f} s", f"{max(times):.1f} s") if times else ("—", "—")
        done = str(len(report.trials) + len(report.failures))
        shown.add_row(
            report.where, report.kind, done, str(report.lost), str(report.duplicated), half, worst, report.figures
        )
    return shown


def _trial(stage: Stage, fault: Fault, number: int) -> Trial:
    """What the fault does, half of the times while a backup is taken; all is up again afterwards, and all was told."""
    with listening(stage) as listener:
        try:
            both = fault if number % 4 < 2 else with_backup(fault)
            trial = both(stage, work.detailed if number % 2 else work.long)
        finally:
            stage.settle()
        return replace(trial, damage=trial.damage + listener.damage())


def _try(report: Report, trial: Callable[[], Trial]) -> None:
    try:
        report.trials.append(trial())
    except Exception:
        report.failures.append(traceback.format_exc())


def _last(report: Report) -> str:
    if report.failures:
        return f"\n{report.failures[-1]}"
    last = report.trials[-1]
    recovery = "" if last.recovery is None else f", recovery {last.recovery:.1f} s"
    recovery += "".join(f", {name} {figure:.1f}" for name, figure in last.figures.items())
    return recovery + ("" if last.damage == work.Damage() else f", {last.damage}")
