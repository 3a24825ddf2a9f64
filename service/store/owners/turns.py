"""Whose turn it is: owners take turns, whatever number of jobs each of them has queued.

A process serves them in the order of their names. It asks for the first job of each owner after the one that it has
served last, by an index that has nothing but what waits and belongs to somebody: without keys it is empty.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.orm import aliased

from service.store.tables import Job

MOST_OWNERS = 64
"""Owners whose first job is looked at: the others have their turn next."""
_WITHOUT: BindParameter[Any] = bindparam("without", expanding=True)


def first_jobs() -> Select[Any]:
    """The ids of the first queued jobs, for some `devices`, of the owners that come `after` one."""
    return _firsts(_turns(bindparam("after"), MOST_OWNERS))


def first_jobs_of_others() -> CompoundSelect[Any]:
    """The same of owners that are not among those `without` whom it is asked. After the last of all come the first.

    Each lap has half of the owners that are looked at, so that it costs no more.
    """
    laps = [_turns(after, MOST_OWNERS // 2, _WITHOUT) for after in (bindparam("after"), literal(""))]
    return union(*(_firsts(turns).where(turns.c.owner.not_in(_WITHOUT)) for turns in laps))


def do_others_wait(connection: Connection, owners: Collection[str]) -> bool:
    """Whether anybody else has queued jobs than these owners."""
    return bool(connection.scalar(_others(), {"without": list(owners)}))


def next_after(turns: Sequence[str], served: Collection[str]) -> str:
    """After which owner the next look goes on, when some of those whose turn it was have been served.

    Where that was the last of all, it begins again with the first.
    """
    last = max((place for place, owner in enumerate(turns) if owner in served), default=-1)
    is_end = last == len(turns) - 1 < MOST_OWNERS - 1
    return "" if is_end or last < 0 else turns[last]


def owners_with_slots(connection: Connection, count: int) -> set[str]:
    """Who has as many slots of workers, or more. Jobs that were claimed together have one."""
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
    return select(first.scalar_subquery()).where(turns.c.owner.is_not(None))


def _waits(job: Any) -> tuple[ColumnElement[bool], ...]:
    """In the words of the index, which no parameter may stand for."""
    return job.status == literal_column("'queued'"), job.owner != literal_column("''")


def _served(job: Any) -> ColumnElement[bool]:
    is_here: ColumnElement[bool] = job.device.in_(bindparam("devices", expanding=True))
    return is_here
