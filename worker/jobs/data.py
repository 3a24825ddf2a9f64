"""The numbers that jobs learn from, read from the storage."""

from collections.abc import Callable, Hashable

from service.data.numbers import Arrays, load_job_data
from service.store.tables import Job
from slope.engines.costs import LITTLE_NUMBERS
from worker.process import Process, retry_while_away


class JobData:
    """Reads them for the parts of a claim, little data of several parts once: folds of a search have it in common."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._latest: tuple[Hashable, Arrays] | None = None

    def load(self, job: Job, pause: Callable[[], None]) -> Arrays:
        """All that a job learns from, as soon as the storage answers. Raises what `pause` does."""
        columns = (job.dataset_id, *job.features, job.target, job.row_weights)
        if self._latest and self._latest[0] == columns:
            return self._latest[1]
        process = self._process
        arrays = retry_while_away(lambda: load_job_data(process.storage, job, pause), process.stopping)
        is_little = job.dataset.rows * (len(job.features) + 1) <= LITTLE_NUMBERS
        self._latest = (columns, arrays) if is_little else None
        return arrays
