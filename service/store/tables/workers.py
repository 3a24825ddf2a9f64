"""The table of workers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import true
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Table, labels_of


class Worker(Table):
    """A worker process and when it last gave a sign of life."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    hostname: Mapped[str]
    process_id: Mapped[int]
    version: Mapped[str]
    devices: Mapped[list[Any]]
    """`[{"name": "cpu", "description": …}]`"""
    slots: Mapped[int]
    """Jobs it trains at the same time."""
    memory: Mapped[int | None]
    """Bytes that one training may take."""
    hears_broker: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether a bell would have reached it when it gave its last sign of life."""
    counts: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """What it has done since it began, by the names of service.store.counts."""
    inherited_counts: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """What those had done that were forgotten when it began."""
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]

    @property
    def known_devices(self) -> list[dict[str, str]]:
        """What `devices` says, but for what somebody has damaged: a worker that starts again writes them anew."""
        found = map(labels_of, self.devices if isinstance(self.devices, list) else [])
        return [{"description": ""} | device for device in found if "name" in device]
