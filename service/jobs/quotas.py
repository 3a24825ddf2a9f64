"""What one owner may have: looked at where jobs are accepted, in their transaction."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from service.data.byte_quotas import keeping_counts
from service.errors import OwnerQuotaReached, ServiceError
from service.settings import Settings
from service.store.database import before_commit
from service.store.owners import usage
from service.store.owners.sums import Sum

_JOBS_END_SECONDS, _SOMETHING_IS_DELETED_SECONDS = 2, 60
"""When to try again."""


class OwnerBusy(Exception):
    """Somebody else adds something of this owner at this moment: who accepts jobs of several does not wait for it."""


class Quotas:
    """What the owners have, who get jobs in one transaction. Without a quota nothing is asked.

    It is to be made before anything else is locked.
    """

    def __init__(self, session: Session, settings: Settings, owners: Iterable[str], *, waits: bool = True) -> None:
        """Where it does not wait for locks that others have, OwnerBusy is raised for who is left out."""
        self._session, self._settings = session, settings
        self._busy: set[str] = set()
        quotas = (settings.owner_jobs, settings.owner_numbers, settings.owner_bytes)
        if any(quota is not None for quota in quotas):
            if waits:
                usage.lock_owners(session, owners)
            else:
                self._busy = usage.lock_free_owners(session, owners)
        self._jobs: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._recorded: dict[str, Sum] = {}
        """Where they are bounded: what there was before."""
        if settings.owner_numbers is not None:
            before_commit(session, self._keep)

    @contextmanager
    def taken_or_ended(self, owner: str, *, jobs: int, numbers: int) -> Iterator[None]:
        """Let an owner have this many jobs more, which record this many numbers. The block takes room for their data
        before it writes anything.

        Raises OwnerQuotaReached. Where that, or the block, refuses for a quota, the transaction has ended.
        """
        with keeping_counts(self._session), self.taken(owner, jobs=jobs, numbers=numbers):
            yield

    @contextmanager
    def taken(self, owner: str, *, jobs: int, numbers: int) -> Iterator[None]:
        """The same among others, for what comes about in the block: where it does not, it is given back."""
        self._take(owner, jobs, numbers)
        try:
            yield
        except ServiceError:
            self._jobs[owner] -= jobs
            self._numbers[owner] -= numbers
            raise

    def _take(self, owner: str, jobs: int, numbers: int) -> None:
        if owner in self._busy:
            raise OwnerBusy
        most_jobs, most_numbers = self._settings.owner_jobs, self._settings.owner_numbers
        if most_jobs is not None and self._open_jobs(owner) + jobs > most_jobs:
            detail = f"{self._jobs[owner]:,} of your jobs have not ended, and with {jobs:,} more there would be"
            raise OwnerQuotaReached(f"{detail} more than {most_jobs:,}", retry_after=_JOBS_END_SECONDS)
        if most_numbers is not None and self._recorded_numbers(owner) + numbers > most_numbers:
            detail = f"your jobs record {self._numbers[owner]:,} numbers, and with {numbers:,} more there would be"
            detail += f" more than {most_numbers:,}: delete jobs, or record less"
            raise OwnerQuotaReached(detail, retry_after=_SOMETHING_IS_DELETED_SECONDS)
        self._jobs[owner] = self._jobs.get(owner, 0) + jobs
        self._numbers[owner] = self._numbers.get(owner, 0) + numbers

    def _open_jobs(self, owner: str) -> int:
        if owner not in self._jobs:
            self._jobs[owner] = usage.count_jobs_under_way(self._session, owner)
        return self._jobs[owner]

    def _recorded_numbers(self, owner: str) -> int:
        if owner not in self._recorded:
            self._recorded[owner] = usage.recorded_numbers(self._session, owner)
            self._numbers[owner] = self._recorded[owner].amount
        return self._numbers[owner]

    def _keep(self) -> None:
        for owner, recorded in self._recorded.items():
            added = self._numbers[owner] - recorded.amount
            if added or recorded.is_new:
                usage.keep_recorded(self._session, owner, recorded, added)
