"""How a job is trained, and what it would cost otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineOption:
    """A way to do a job, what it would cost, and why it is out of the question, if it is."""

    engine: str
    """Its name."""
    applies: bool
    """Whether it can do the job."""
    why: str
    """What it does, or what stands in its way."""
    estimated_seconds: float | None = None
    """About, by what jobs of this engine have lately taken."""
    memory_bytes: int | None = None
    """Most that the data and the engine take besides what the process needs in any case."""


@dataclass(frozen=True)
class Plan:
    engine: str
    """Its name."""
    why: str
    """Why it was chosen."""
    steps: int
    """Updates in all."""
    steps_recorded: bool
    """Whether every step is kept."""
    recorded_numbers: int
    """How many numbers are kept in all."""
    estimated_seconds: float
    """About, by what jobs of this engine have lately taken."""
    recorded_bytes: int | None = None
    """Of those numbers and the keys of their rows, without the database's own overhead."""
    memory_bytes: int | None = None
    """Most that the data and the engine take besides what the process needs in any case."""
    streams: bool = False
    """Whether the data is read in parts and never in memory as a whole."""
    partitions: int = 1
    """In how many the data is reduced, by as many workers as are free."""
    from_triangle: bool = False
    """Whether the dataset's triangle stands for its rows, none of which is read."""
    learning_rate: float | None = None
    """Of the first epoch: the request's, or what "auto" has chosen; null until it is chosen."""
    learning_rate_rule: str | None = None
    """By which rule, and why, "auto" has chosen it; null where the request said the rate."""
    experience: float = 1.0
    """How many times as long as reckoned such jobs have lately taken: the estimate has been multiplied by it, and the
    choice of the engine does not depend on it."""
    actual_seconds: float | None = None
    """Spent in the epochs so far; null in a plan for a job that is not there yet."""
