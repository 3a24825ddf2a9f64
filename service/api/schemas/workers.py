"""Answers about workers and their devices."""

from datetime import datetime
from uuid import UUID

from service.api.schemas.view import View
from service.store.tables import Worker


class DeviceView(View):
    name: str
    description: str


class WorkerView(View):
    id: UUID
    hostname: str
    process_id: int
    version: str
    alive: bool
    devices: list[DeviceView]
    slots: int
    """Jobs it trains at the same time."""
    memory: int | None
    """Bytes that one training may take."""
    hears_broker: bool
    """Whether bells reach it. It looks for jobs in the database while they do not."""
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None

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
