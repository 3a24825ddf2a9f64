"""What one process of the worker holds: its identity, its connections, and whether it is to leave."""

import os
from dataclasses import dataclass, field
from functools import cache
from threading import Event
from uuid import UUID

from uuid_utils.compat import uuid7

from service.settings import Settings, get_settings
from service.store.database import Database
from worker.devices import Device, available

_IDENTITY = "SLOPE_WORKER_ID"


@dataclass(frozen=True)
class Process:
    """Made once in the main process and once in every child."""

    settings: Settings
    database: Database
    devices: list[Device]
    worker_id: UUID
    leaving: Event = field(default_factory=Event)
    """Set when this process has been asked to end."""


@cache
def current() -> Process:
    """This process. A child has its parent's worker id, through the environment, and everything else anew."""
    settings = get_settings()
    worker_id = UUID(os.environ.setdefault(_IDENTITY, str(uuid7())))
    return Process(settings, Database(settings.database), available(), worker_id)
