"""Who makes the analysis of a job: the API for its answer, the worker during the training, or nobody."""

from service.settings import Settings
from slope.analysis import analysis_seconds

MOST_READ = 10_000_000
"""A stored dataset of more numbers is not read when a job is submitted, only when it is trained on."""


def analysis_is_late(rows: int, features: int, settings: Settings) -> bool:
    """Whether the worker makes it: it takes too long for an answer, but not altogether."""
    is_read, seconds = rows * (features + 1) <= MOST_READ, analysis_seconds(rows, features)
    return is_read and settings.analysis_seconds < seconds <= settings.worker_analysis_seconds
