"""A bar that shows how far a job is, in terminals and notebooks."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from slope.answers.jobs import JobView
from slope.answers.records import EpochView


class JobBar:
    """Status, epochs, the time that is left, the loss, and what is said besides. It goes when the block ends."""

    def __init__(self, console: Console | None = None) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.fields[epochs]}"),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]} {task.fields[besides]}"),
        )
        self._progress = Progress(*columns, console=console or Console(stderr=True, highlight=False), transient=True)
        self._task = self._progress.add_task("queued", total=None, epochs="?", loss="–", besides="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, job: JobView) -> None:
        """The job as it stands."""
        done, loss = job.progress, "–" if job.loss.last is None else f"{job.loss.last:.6g}"
        self._progress.update(
            self._task,
            description=job.status,
            total=done.epochs,
            epochs=done.epochs,
            completed=done.epochs_done,
            loss=loss,
        )

    def show_epoch(self, epoch: EpochView) -> None:
        """A job that has come to this epoch."""
        self._progress.update(self._task, description="running", completed=epoch.epoch + 1, loss=f"{epoch.loss:.6g}")

    def say(self, besides: str) -> None:
        """Something behind the loss."""
        self._progress.update(self._task, besides=besides)
