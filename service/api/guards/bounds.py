"""What a process takes on of requests and connections."""

from dataclasses import dataclass, field

from service.api.guards.places import Places
from service.api.guards.refusals import CrowdLog
from service.settings import Settings

_OTHER_DESCRIPTORS = 128


@dataclass(frozen=True)
class Bounds:
    """What a process takes on."""

    seconds: int
    """Seconds that a client may keep it waiting for a head, or for the next 1,000 bytes of a body."""
    requests: int
    """Worked on at the same time."""
    connections: int
    """Open at the same time: for one more, the one that has been idle longest is closed."""
    root_path: str = ""
    """Where a proxy has the service among others."""
    places: Places = field(default_factory=Places, compare=False)
    """The open connections by their addresses."""
    crowd_log: CrowdLog = field(default_factory=CrowdLog, compare=False)


def bounds_of(settings: Settings, descriptors: int) -> Bounds:
    """What a process takes on that may have this many descriptors: some are for files, the database and the broker."""
    connections = max(descriptors - _OTHER_DESCRIPTORS, descriptors // 2)
    requests = min(settings.max_connections, connections)
    places = Places(settings.max_connections_per_address)
    return Bounds(settings.request_seconds, requests, connections, settings.root_path, places)
