"""What one owner may have: looked at where jobs are accepted, in their transaction."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from service.errors import OwnerQuotaReached
from service.settings import Settings
from service.store import usage

_JOBS_END_SECONDS, _SOMETHING_IS_DELETED_SECONDS = 2, 60
"""When to try again."""


class Quotas:
    """What the owners have, who get jobs in one transaction. Without a quota nothing is asked.

    It is to be made before anything else is locked.
    """

    def __init__(self, session: Session, settings: Settings, owners: Iterable[str]) -> None:
        self._session, self._settings = session, settings
        quotas = (settings.owner_jobs, settings.owner_numbers, settings.owner_bytes)
        if any(quota is not None for quota in quotas):
            usage.lock_owners(session, owners)
        self._jobs: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def take(self, owner: str, *, jobs: int, numbers: int) -> None:
        """Let an owner have this many jobs more, which record this many numbers. Raises OwnerQuotaReached."""
        most_jobs, most_numbers = self._settings.owner_jobs, self._settings.owner_numbers
        if most_jobs is not None and self._open_jobs(owner) + jobs > most_jobs:
            detail = f"{self._jobs[owner]:,} of your jobs have not ended, and with {jobs:,} more there would be"
            raise OwnerQuotaReached(f"{detail} more than {most_jobs:,}", retry_after=_JOBS_END_SECONDS)
        if most_numbers is not None and self._recorded(owner) + numbers > most_numbers:
            detail = f"your jobs record {self._numbers[owner]:,} numbers, and with {numbers:,} more there would be"
            detail += f" more than {most_numbers:,}: delete jobs, or record less"
            raise OwnerQuotaReached(detail, retry_after=_SOMETHING_IS_DELETED_SECONDS)
        self._jobs[owner] = self._jobs.get(owner, 0) + jobs
        self._numbers[owner] = self._numbers.get(owner, 0) + numbers

    def _open_jobs(self, owner: str) -> int:
        if owner not in self._jobs:
            self._jobs[owner] = usage.count_jobs_under_way(self._session, owner)
        return self._jobs[owner]

    def _recorded(self, owner: str) -> int:
        if owner not in self._numbers:
            self._numbers[owner] = usage.sum_recorded_numbers(self._session, owner)
        return self._numbers[owner]
