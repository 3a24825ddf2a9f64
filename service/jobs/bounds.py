"""What is too much of a job or a sweep: numbers to record, and bytes of memory."""

from sqlalchemy.orm import Session

from service.errors import TooLargeForWorkers, TooManyNumbers
from service.settings import Settings
from service.store import workers
from slope.engines.plan import Plan
from slope.spec import Fault
from slope.spec.devices import device_for

LITTLE_MEMORY = 64 * 1024 * 1024
"""Every worker has this many bytes: what takes less needs no query."""


def refuse_too_many_numbers(what: str, numbers: int, settings: Settings) -> None:
    """Raise TooManyNumbers where more would be recorded than the settings allow."""
    if numbers > settings.max_recorded_numbers:
        raise TooManyNumbers(
            f"The {what} would record {numbers:,} numbers; {settings.max_recorded_numbers:,} are allowed",
            [Fault('Record fewer epochs with "every", or no steps with "steps": "none"', "/hyperparameters/record")],
        )


def refuse_without_memory(session: Session, planned: Plan, device: str) -> None:
    """Raise TooLargeForWorkers where no live worker has it. While none is alive, nobody knows, and the job waits."""
    needed, most = planned.memory_bytes or 0, memory_of_largest_worker(session, planned, device)
    if most is not None and needed > most:
        detail = f"The job needs {needed:,} bytes of memory; a training on the largest worker may take {most:,}"
        raise TooLargeForWorkers(detail, [Fault(detail, "/dataset")])


def memory_of_largest_worker(session: Session, planned: Plan, device: str) -> int | None:
    """Bytes that a training may take on the largest worker; None where none is alive, or where it does not matter."""
    if (planned.memory_bytes or 0) <= LITTLE_MEMORY:
        return None
    return workers.largest_memory(session, device_for(device))
