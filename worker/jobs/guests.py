"""Guests of a batch: jobs of other owners, which are trained between two of its jobs.

A batch is claimed as a whole, and may last while others come who have nothing in it. They do not wait for its end.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from time import monotonic

import structlog

from service.errors import ServiceError
from service.store.owners.turns import MOST_OWNERS, do_others_wait
from worker.jobs.batch import Sharing
from worker.process import Process

_LOOK_SECONDS = 0.05
"""How often a batch looks whether others wait: a look takes about a hundredth of that.

Where the batch has very many owners, a look passes by all of them, and takes that much longer: there are fewer.
"""
_VAIN_SECONDS = 1.0
"""And after one that found nobody who could be served, as where they wait for another device."""

Work = Callable[[], object]
"""What a claim is for; what it returns is not looked at."""

log = structlog.get_logger()


class Guests(Sharing):
    """Serves owners who have nothing in a batch, or a single job; where all have a single job, those who have none."""

    def __init__(self, process: Process, owners: Sequence[str], find: Callable[[Collection[str]], Work | None]) -> None:
        """`owners` of each job of the batch. `find` claims jobs of owners other than these, and returns what trains
        them; None where there are none."""
        self._process = process
        self._owners = {owner for owner, count in Counter(owners).items() if count > 1} or set(owners)
        self._find = find
        self._next_look = monotonic() + _LOOK_SECONDS
        self.is_mixed = len(set(owners)) > 1

    def serve(self, write_ended: Callable[[], None]) -> None:
        if monotonic() < self._next_look or self._process.stopping.is_set():
            return
        pause = look = _LOOK_SECONDS * max(1.0, len(self._owners) / MOST_OWNERS)
        try:
            if self._process.database.query(do_others_wait, self._owners):
                write_ended()  # it need not wait for the end of guests
                work = self._find(self._owners)
                pause = look if work else _VAIN_SECONDS
                if work:
                    work()
        except ServiceError as error:  # the batch goes on, and finds out by itself
            log.warning("could not look whether other owners wait", error=str(error))
            pause = _VAIN_SECONDS
        self._next_look = monotonic() + pause
