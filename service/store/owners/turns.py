"""Whose turn it is: owners take turns, whatever number of jobs each of them has queued.

A process serves them in the order of their names, as the database sorts them: nobody else compares names. It asks for
the first job of each owner after the one that it has served last, by an index that has nothing but what waits and
belongs to somebody: without keys it is empty.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from service.store.tables import Job

MOST_OWNERS = 64
"""Owners whose first job is looked at: the others have their turn next."""
MOST_OTHERS = MOST_OWNERS // 2
"""And of each of two laps, so that both cost no more."""
_WITHOUT: BindParameter[Any] = bindparam("without", expanding=True)


def first_jobs() -> Subquery:
    """Owners that come `after` one, each as `turn`, and as `job_id` their first queued job for some `devices`.

    It is null where all their jobs are for others.
    """
    return _firsts(_turns(bindparam("after"), MOST_OWNERS)).subquery()


def first_jobs_of_others() -> Subquery:
    """The same of owners that are not among those `without` whom it is asked; after the last of all, in another `lap`,
    come the first."""
    after: BindParameter[str] = bindparam("after")
    following, first = _turns(after, MOST_OTHERS, _WITHOUT), _turns(literal(""), MOST_OTHERS, _WITHOUT)
    laps = [_firsts(following), _firsts(first).where(first.c.owner <= after)]
    numbered = [
        lap.add_columns(literal_column(str(number)).label("lap")).where(lap.selected_columns.turn.not_in(_WITHOUT))
        for number, lap in enumerate(laps)
    ]
    return union_all(*numbered).subquery()


def do_others_wait(connection: Connection, owners: Collection[str]) -> bool:
    """Whether anybody else has queued jobs than these owners."""
    return bool(connection.scalar(_others(), {"without": list(owners)}))


def next_after(turns: Sequence[str], served: Collection[str], beyond: str = "") -> str:
    """After which owner the next look goes on, when some of those whose turn it was have been served.

    Where that was the last of them, it goes on `beyond` all that were looked at.
    """
    last = max((place for place, owner in enumerate(turns) if owner in served), default=-1)
    return turns[last] if 0 <= last < len(turns) - 1 else beyond


def end_of_lap(passed: Sequence[str], most: int) -> str:
    """After which owner others come when these were looked at, whether or not they had jobs for here.

    Where there were no more of them, that is the end of all, and it begins again with the first.
    """
    return passed[-1] if len(passed) == most else ""


def owners_with_slots(connection: Connection, count: int | None) -> set[str]:
    """Who has as many slots of workers, or more; nobody where they may have any. Jobs claimed together have one."""
    if count is None:
        return set()
    slots = func.count(Job.lease_token.distinct())
    query = select(Job.owner).where(Job.status == "running", Job.owner != "").group_by(Job.owner).having(slots >= count)
    return set(connection.scalars(query))


@cache
def _others() -> Select[Any]:
    """Built once: to build it takes longer than SQLite takes to run it."""
    turns = _turns(literal(""), 1, _WITHOUT)
    return select(exists().where(turns.c.owner.is_not(None), turns.c.owner.not_in(_WITHOUT)))


def _turns(after: Any, most: int, without: Any = None) -> CTE:
    """One owner after the other, each by one look at the index. The last one is null where there are no more.

    Those `without` whom it is asked are passed by, and are not counted.
    """
    job, following = aliased(Job), aliased(Job)
    first = select(func.min(job.owner)).where(*_waits(job), job.owner > after)
    turns = select(first.scalar_subquery().label("owner"), literal(1).label("place")).cte(recursive=True)
    is_passed = false() if without is None else turns.c.owner.in_(without)
    more = select(func.min(following.owner)).where(*_waits(following), following.owner > turns.c.owner)
    further = select(more.scalar_subquery(), turns.c.place + case((is_passed, 0), else_=1))
    return turns.union_all(further.where(turns.c.owner.is_not(None), or_(turns.c.place < most, is_passed)))


def _firsts(turns: CTE) -> Select[Any]:
    job = aliased(Job)
    first = select(job.id).where(*_waits(job), job.owner == turns.c.owner, _served(job)).order_by(job.id).limit(1)
    columns = turns.c.owner.label("turn"), first.scalar_subquery().label("job_id")
    return select(*columns).where(turns.c.owner.is_not(None))


def _waits(job: Any) -> tuple[ColumnElement[bool], ...]:
    """In the words of the index, which no parameter may stand for."""
    return job.status == literal_column("'queued'"), job.owner != literal_column("''")


def _served(job: Any) -> ColumnElement[bool]:
    is_here: ColumnElement[bool] = job.device.in_(bindparam("devices", expanding=True))
    return is_here
