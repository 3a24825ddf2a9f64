"""The tables, as SQLAlchemy maps them, by noun. Migrations create them; a test holds the two together."""

from service.store.tables.base import Table
from service.store.tables.datasets import Dataset
from service.store.tables.holds import Hold
from service.store.tables.jobs import Alias, Job, Partition, Sweep
from service.store.tables.keys import AccessKey, AuditEntry
from service.store.tables.records import Epoch, EpochExtremes, Event, Snapshot, Step
from service.store.tables.statistics import RowPass
from service.store.tables.usage import StoredUsage, Usage
from service.store.tables.webhooks import Delivery, Webhook
from service.store.tables.workers import Worker

__all__ = [
    "AccessKey",
    "Alias",
    "AuditEntry",
    "Dataset",
    "Delivery",
    "Epoch",
    "EpochExtremes",
    "Event",
    "Hold",
    "Job",
    "Partition",
    "RowPass",
    "Snapshot",
    "Step",
    "StoredUsage",
    "Sweep",
    "Table",
    "Usage",
    "Webhook",
    "Worker",
]
