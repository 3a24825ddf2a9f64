"""Who waits besides the owners of a batch: they are its guests."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select

from service.store.leases.claims import MEMORY, SEEN_COLUMNS, SeenJob, see_firsts
from service.store.leases.leases import Claimant
from service.store.owners.turns import MOST_OTHERS, end_of_lap, first_jobs_of_others, owners_with_slots


@dataclass(frozen=True)
class Others:
    """The first queued jobs of owners, as one statement saw them."""

    jobs: Sequence[SeenJob]
    """Of each owner one, in the order of their turns."""
    beyond: str
    """After which owner the next look goes on where none of these can be served."""
    memory: int | None
    """Bytes that one training of this worker may take; None when it has not said so."""


def find_others(
    connection: Connection, claimant: Claimant, without: Collection[str], after: str, most_slots: int | None = None
) -> Others:
    """Who waits besides the owners `without` whom it is asked. `after` had the last turn."""
    given = {"devices": claimant.devices, "worker_id": claimant.worker_id, "after": after, "without": list(without)}
    rows = connection.execute(_look_for_others(), given).all()
    full = owners_with_slots(connection, most_slots)
    seen = [SeenJob(*row[: len(SEEN_COLUMNS)]) for row in rows if row[0] and row.turn not in full]
    passed = [row.turn for row in rows if row.lap == 0]
    return Others(seen, end_of_lap(passed, MOST_OTHERS), rows[0].memory if rows else None)


@cache
def _look_for_others() -> Select[Any]:
    firsts = first_jobs_of_others()
    return see_firsts(firsts, firsts.c.lap, MEMORY.label("memory")).order_by(firsts.c.lap, firsts.c.turn)
