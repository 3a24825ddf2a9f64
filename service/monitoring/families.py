"""Every metric there is: its name, its kind, its labels and what it says. No label holds an id, a name or a secret."""

from dataclasses import dataclass
from typing import Literal

from service.store.counts import Count
from service.store.monitoring import MOST_COUNTED


@dataclass(frozen=True)
class Family:
    """Metrics of one name. A counter's ends with `_total` when it is sent."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def sent_as(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name


REQUEST_SECONDS = Family(
    "slope_http_request_seconds",
    "histogram",
    "Seconds from a request's head to the end of its answer; streams and waiting requests last as long as they wait",
    ("method", "route", "status"),
)
IN_PROGRESS = Family("slope_http_requests_in_progress", "gauge", "Requests that are worked on")
CONNECTIONS = Family("slope_database_connections", "gauge", "Connections of this API to the database that are in use")
MOST_CONNECTIONS = Family("slope_database_connections_limit", "gauge", "Connections that this API may use")
VERSION = Family("slope_build_info", "gauge", "1, labelled with the version of this API", ("version",))
OF_PROCESS = (REQUEST_SECONDS, IN_PROGRESS, CONNECTIONS, MOST_CONNECTIONS, VERSION)
"""Of the API process that answers: every process has its own."""

DATABASE_UP = Family("slope_database_up", "gauge", "1 where the database answers; else what it says is left out")
JOBS = Family(
    "slope_jobs",
    "gauge",
    f"Jobs that wait, train or are paused, by the kind of device they ask for; counted up to {MOST_COUNTED:,}",
    ("status", "device"),
)
OLDEST = Family(
    "slope_oldest_queued_seconds",
    "gauge",
    "Seconds since the oldest queued job was accepted, by the kind of device it asks for; 0 where none waits",
    ("device",),
)
WORKERS = Family("slope_workers", "gauge", "Workers that are alive, by the kinds of devices they have", ("device",))
SLOTS = Family(
    "slope_worker_slots", "gauge", "Jobs that live workers train at the same time, by the kinds of devices", ("device",)
)
DEAF = Family("slope_workers_without_broker", "gauge", "Live workers that hear no broker and look for jobs in SQL")
DATABASE_BYTES = Family("slope_database_bytes", "gauge", "What the database takes on its disk")
OBJECT_BYTES = Family("slope_dataset_bytes", "gauge", "What all datasets take, looked at once a minute")
FREE_BYTES = Family("slope_storage_free_bytes", "gauge", "Free space of the disk where datasets are kept in a folder")
OF_STATE = (DATABASE_UP, JOBS, OLDEST, WORKERS, SLOTS, DEAF, DATABASE_BYTES, OBJECT_BYTES, FREE_BYTES)
"""Read from the database and the storage, at most once a second: every API process says the same."""

CLAIMED = Family("slope_jobs_claimed", "counter", "Jobs that a worker has taken, once an attempt")
ENDED = Family("slope_jobs_ended", "counter", "Jobs that an attempt has ended", ("status",))
FLUSHES = Family("slope_flushes", "counter", "Transactions that wrote what trainings recorded")
FLUSH_SECONDS = Family("slope_flush_seconds", "counter", "Seconds that these took")
EPOCHS = Family("slope_epochs", "counter", "Epochs that were trained")
STEPS = Family("slope_steps", "counter", "Steps that were taken")
LEASES_LOST = Family("slope_leases_lost", "counter", "Attempts that found their job taken over by another")
REAPED = Family(
    "slope_reaper_actions",
    "counter",
    "Jobs taken from lost workers (`released`), and bells that were lost (`rung_again`)",
    ("action",),
)
COUNTED = {
    Count.CLAIMED: (CLAIMED, ()),
    Count.SUCCEEDED: (ENDED, ("succeeded",)),
    Count.FAILED: (ENDED, ("failed",)),
    Count.CANCELLED: (ENDED, ("cancelled",)),
    Count.FLUSHES: (FLUSHES, ()),
    Count.FLUSH_SECONDS: (FLUSH_SECONDS, ()),
    Count.EPOCHS: (EPOCHS, ()),
    Count.STEPS: (STEPS, ()),
    Count.LEASES_LOST: (LEASES_LOST, ()),
    Count.RELEASED: (REAPED, ("released",)),
    Count.RUNG_AGAIN: (REAPED, ("rung_again",)),
}
"""Which metric each number of the workers is, with its labels."""
OF_WORKERS = tuple(dict.fromkeys(family for family, _ in COUNTED.values()))
"""Counted by the workers and summed in the database, since the first of them began."""

FAMILIES = (*OF_PROCESS, *OF_STATE, *OF_WORKERS)
