"""The lease of what one process has claimed together and trains part by part: jobs, or groups of jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam
from sqlalchemy.sql.base import ExecutableOption

from service.store.leases.groups import GroupLease
from service.store.leases.leases import JobLease, SharedLease, held
from service.store.tables import Job

Part = JobLease | GroupLease
"""What trains at a time."""


@dataclass(frozen=True)
class BatchLease(SharedLease):
    """The lease of several parts. They have one token."""

    parts: tuple[Part, ...]

    @staticmethod
    def holding(held_jobs: Any, held_by: Any) -> ColumnElement[bool]:
        return and_(Job.id.in_(held_jobs), *held(held_by))

    condition = holding(bindparam("held_jobs", expanding=True), bindparam("held_by"))

    @property
    def job_ids(self) -> Sequence[UUID]:
        return list(chain.from_iterable(part.job_ids for part in self.parts))

    @property
    def is_first(self) -> bool:
        return all(part.is_first for part in self.parts)

    @property
    def with_numbers(self) -> ExecutableOption:
        return self.parts[0].with_numbers

    @property
    def parameters(self) -> dict[str, Any]:
        return {"held_jobs": self.job_ids, "held_by": self.parts[0].token}

    @property
    def names(self) -> dict[str, Any]:
        return {}


Claimed = JobLease | GroupLease | BatchLease
"""The lease of what a process has claimed."""


def lease_of(parts: Sequence[Part]) -> Claimed:
    """Of at least one part."""
    return parts[0] if len(parts) == 1 else BatchLease(tuple(parts))
