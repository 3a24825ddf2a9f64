"""What has to be done now and then, and can wait."""

from collections.abc import Callable, Iterator

from service.settings import Settings
from service.storage import Storage
from service.store.database import Database
from service.upkeep.forgetting import forget_deeds, forget_messages
from service.upkeep.garbage import collect_garbage
from service.upkeep.retention import prune

Chore = Callable[[], object]


def chores(
    database: Database, storage: Storage, settings: Settings, is_ending: Callable[[], bool]
) -> Iterator[tuple[str, Chore]]:
    """Each with its name, until the process ends. None depends on another."""
    found: dict[str, Chore] = {
        "deeds": lambda: forget_deeds(database, settings.audit_retention),
        "messages": lambda: forget_messages(database, settings.webhook_retention),
        "garbage": lambda: collect_garbage(database, storage, settings.spool),
    }
    if age := settings.job_retention:
        found["retention"] = lambda: prune(database, storage, age, is_ending=is_ending)
    for name, chore in found.items():
        if is_ending():
            return
        yield name, chore
