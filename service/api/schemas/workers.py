"""Answers about workers and their devices."""

from datetime import datetime
from uuid import UUID

from service.api.schemas.view import View
from service.store.tables import Worker


class DeviceView(View):
    name: str
    """As a job asks for it: `cpu`, `cuda:0`."""
    description: str
    """What it is."""


class WorkerView(View):
    id: UUID
    """Of this process of a worker."""
    hostname: str
    """Of its machine."""
    process_id: int
    """On that machine."""
    version: str
    """Of Slope."""
    alive: bool
    """Whether its last sign of life is fresh."""
    devices: list[DeviceView]
    """That it trains on."""
    slots: int
    """Jobs it trains at the same time."""
    memory: int | None
    """Bytes that one training may take."""
    hears_broker: bool
    """Whether bells reach it. It looks for jobs in the database while they do not."""
    started_at: datetime
    """When it started."""
    seen_at: datetime
    """When it last gave a sign of life."""
    stopped_at: datetime | None
    """When it left, if it did so in order."""

    @classmethod
    def of(cls, row: Worker, *, alive: bool) -> "WorkerView":
        return cls(
            id=row.id,
            hostname=row.hostname,
            process_id=row.process_id,
            version=row.version,
            alive=alive,
            devices=[DeviceView(**device) for device in row.devices],
            slots=row.slots,
            memory=row.memory,
            hears_broker=row.hears_broker,
            started_at=row.started_at,
            seen_at=row.seen_at,
            stopped_at=row.stopped_at,
        )
