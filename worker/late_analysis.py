"""The analysis that would have kept the client waiting: it is made while the job trains."""

from contextlib import suppress
from dataclasses import asdict
from threading import Thread
from typing import Any, Self

from service.data.analysis import analysis_is_late
from service.settings import Settings
from service.store.tables import Job
from slope.analysis import Analysis, analyse, warnings_for
from slope.data import TrainingData
from slope.health import Finding
from slope.spec import TrainingSpec


class LateAnalysis:
    """Works in a thread of its own, most of the time in LAPACK, which lets others work."""

    def __init__(self, data: TrainingData, spec: TrainingSpec) -> None:
        self._data = data
        self._spec = spec
        self._found: Analysis | None = None
        self._thread = Thread(target=self._analyse, name="analysis", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, job: Job, data: TrainingData, spec: TrainingSpec, settings: Settings) -> Self | None:
        """None where the job has its analysis, is one of a sweep, or has too much data for it."""
        is_late = len(data.y) > 0 and analysis_is_late(job.dataset.rows, len(job.features), settings)
        return cls(data, spec) if is_late and job.analysis is None and job.sweep_id is None else None

    def wait(self, seconds: float) -> bool:
        """Wait at most this long. Whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def document(self) -> dict[str, Any] | None:
        """As the job has it. None where there is none."""
        return asdict(self._found) if self._found else None

    @property
    def findings(self) -> list[Finding]:
        """The warnings that the job would have had when it was submitted."""
        return [Finding("analysis", "warning", each) for each in warnings_for(self._spec, self._found)]

    def _analyse(self) -> None:
        with suppress(MemoryError):  # the training may have enough, and needs no analysis
            self._found = analyse(self._data, self._spec)
