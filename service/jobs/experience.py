"""How long jobs take here against what is reckoned for them, read anew every so often."""

from threading import Lock
from time import monotonic
from weakref import WeakKeyDictionary

from service.store.database import Database
from service.store.durations import select_durations
from slope.engines.experience import Experience, learn

_KEPT_SECONDS = 30.0

_known: WeakKeyDictionary[Database, tuple[float, Experience]] = WeakKeyDictionary()
_reading = Lock()


def experience_of(database: Database) -> Experience:
    """That of all workers together: which of them will take a job, nobody knows. Half a minute old at most."""
    with _reading:
        read_at, found = _known.get(database, (-_KEPT_SECONDS, {}))
        if monotonic() - read_at >= _KEPT_SECONDS:
            with database.reading() as session:
                found = learn(select_durations(session))
            _known[database] = monotonic(), found
    return found
