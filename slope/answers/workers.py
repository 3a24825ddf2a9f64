"""Answers about workers and their devices."""

from datetime import datetime
from uuid import UUID

from slope.answers.view import View


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
