"""The lease of a group: jobs that train together are claimed, extended and given back together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption
from uuid_utils.compat import uuid7

from service.store import datasets
from service.store.events import Ending, JobChange
from service.store.leases.leases import SharedLease, held
from service.store.tables import Job


@dataclass(frozen=True)
class GroupLease(SharedLease):
    """The lease of all jobs of a group that were queued when it was claimed.

    The group goes on without those that are cancelled or paused, and ends with the last of them.
    """

    group_id: UUID
    token: UUID
    members: tuple[UUID, ...]
    is_of_first_attempts: bool = False

    @staticmethod
    def holding(held_group: Any, held_by: Any) -> ColumnElement[bool]:
        return and_(Job.group_id == held_group, *held(held_by))

    condition = holding(bindparam("held_group"), bindparam("held_by"))

    @property
    def job_ids(self) -> Sequence[UUID]:
        return self.members

    @property
    def is_first(self) -> bool:
        return self.is_of_first_attempts

    @property
    def with_numbers(self) -> ExecutableOption:
        return datasets.with_numbers_once

    @property
    def parameters(self) -> dict[str, Any]:
        return {"held_group": self.group_id, "held_by": self.token}

    @property
    def names(self) -> dict[str, Any]:
        return {"group_id": str(self.group_id)}

    @property
    def parts(self) -> tuple["GroupLease", ...]:
        """As of several that train one after another: it is the lease of one."""
        return (self,)

    def fail(self, session: Session, code: str, detail: str) -> int:
        """How many jobs have failed. An error that nobody expected, and damage, may be of one of them.

        So the halves of the group try separately, until the job is alone and fails alone.
        """
        job_ids = list(self.leased_jobs(session, lock=True))
        if code in ("internal", "damaged") and len(job_ids) > 1:
            self._split(session, job_ids, f"To be tried again in two halves: {detail}")
            return 0
        values, ending = {"error_code": code, "error_detail": detail}, Ending("failed", detail)
        self.change(session, [JobChange(job_id, values, ending=ending) for job_id in job_ids], 0.0)
        return len(job_ids)

    def _split(self, session: Session, job_ids: list[UUID], detail: str) -> None:
        """Give locked jobs back to the queue as two groups.

        A model's bits depend on its place and on the width, and not on its neighbours: each goes on where it was.
        """
        self.put_back(session, detail)
        middle = len(job_ids) // 2
        for half in (job_ids[:middle], job_ids[middle:]):
            session.execute(update(Job).where(Job.id.in_(half)).values(group_id=uuid7()))
