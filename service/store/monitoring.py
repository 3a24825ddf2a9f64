"""What a scrape asks: how many jobs wait and for how long, and how much there is. It reads a bounded number of rows."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session

from service.store.tables import Dataset, Job

MOST_COUNTED = 100_000
"""Jobs of a status that are counted; where there are more, this is their number."""
_COUNTED = ("queued", "running", "paused")
"""All jobs that have ended are too many to be counted again and again."""


@dataclass(frozen=True)
class JobCount:
    """Of the jobs of one status that asked for one device."""

    status: str
    device: str
    count: int
    oldest: datetime
    """When the first of them was accepted."""


def count_open_jobs(session: Session) -> list[JobCount]:
    jobs = union_all(*(select(_oldest(status).subquery()) for status in _COUNTED)).subquery()
    columns = jobs.c
    query = select(columns.status, columns.device, func.count(), func.min(columns.created_at))
    return [JobCount(*row) for row in session.execute(query.group_by(columns.status, columns.device))]


def database_bytes(session: Session) -> int:
    """What the database takes on its disk."""
    if session.get_bind().dialect.name == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        query = "SELECT pg_database_size(current_database())"
    return int(session.connection().exec_driver_sql(query).scalar_one())


def object_bytes(session: Session) -> int:
    """What all datasets take. It looks at each of them."""
    objects = select(func.max(Dataset.size).label("size")).group_by(Dataset.object_id).subquery()
    return session.scalar(select(func.coalesce(func.sum(objects.c.size), 0))) or 0


def _oldest(status: str) -> Select[str, str, datetime]:
    """An id says when it was made."""
    jobs = select(Job.status, Job.device, Job.created_at).where(Job.status == status)
    return jobs.order_by(Job.id).limit(MOST_COUNTED)
