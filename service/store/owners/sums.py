"""Sums that are kept, so that nobody adds up all rows each time: what is added and taken off counts in between.

A sum is in parts, which belong to somebody. Whoever adds something has locked whose it is, and lets one part say what
all did. What is deleted is a part of its own, less than nothing: it waits for nobody, and nobody for it. Once an hour
all rows are looked at: what is wrong then, because somebody counted nothing meanwhile, is right again.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, cast, delete, exists, func, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.store.database import now

_COUNTED_FOR = timedelta(hours=1)
_TAKEN_OFF_FOR = timedelta(days=7)
"""For how long after a count what is deleted is taken off.

Much longer than that: whoever deletes something while another counts again sees that it was counted before, and takes
it off. If the count has not seen it any more, it has seen that it was taken off as well. Nobody sees a first count, or
the first in this time, before it is committed: what is deleted meanwhile counts until the next.
"""
_MOST_IDS = 2000


class Sum(NamedTuple):
    """What somebody has, and the rows that say so."""

    amount: int
    counted_at: datetime
    """When everything was looked at for it."""
    row_ids: list[UUID]
    is_new: bool = False
    """Whether that was now."""


@dataclass(frozen=True)
class Sums:
    """Those of one kind, in a table of their own."""

    table: Any
    """With `id`, `owner` and `counted_at`."""
    amount: str
    """The column that is added up."""

    def read(self, session: Session, owner: str, total: ScalarSelect[Any]) -> Sum:
        """For whoever has locked the owner. `total` is what all rows say, asked where nobody has for an hour."""
        table = self.table
        parts = select(table.c.id, table.c[self.amount].label("amount"), table.c.counted_at).where(
            table.c.owner == owner
        )
        rows = session.execute(parts).all()
        since = now(session) - _COUNTED_FOR
        sums = [row.counted_at for row in rows if row.counted_at and row.counted_at > since]
        if not sums:
            return self._count_anew(session, owner, total)
        return Sum(sum(row.amount for row in rows), max(sums), [row.id for row in rows])

    def keep(self, session: Session, owner: str, known: Sum, added: int) -> None:
        """Let one row say what several did, and what is added. Some ids in a statement: it has room for no more."""
        for start in range(0, len(known.row_ids), _MOST_IDS):
            session.execute(delete(self.table).where(self.table.c.id.in_(known.row_ids[start : start + _MOST_IDS])))
        new = {"id": uuid7(), "owner": owner, self.amount: known.amount + added, "counted_at": known.counted_at}
        session.execute(insert(self.table), new)

    def is_counted(self, session: Session, owner: Any) -> ColumnElement[bool]:
        """Whether there is something to take off from."""
        return exists().where(self.table.c.owner == owner, self._is_recent(session))

    def counted_among(self, session: Session, owners: Collection[str]) -> set[str]:
        """Those for whom there is. Where there are no quotas, nobody."""
        recent = select(self.table.c.owner).where(self.table.c.owner.in_(owners), self._is_recent(session))
        return set(session.scalars(recent))

    def take_off(self, session: Session, amounts: Sequence[tuple[str, int]]) -> None:
        """Count what owners have deleted."""
        sums = Counter[str]()
        for owner, gone in amounts:
            sums[owner] += gone
        if sums:
            rows = [
                {"id": uuid7(), "owner": owner, self.amount: -gone, "counted_at": None} for owner, gone in sums.items()
            ]
            session.execute(insert(self.table), rows)

    def _is_recent(self, session: Session) -> ColumnElement[bool]:
        """Of a sum that somebody has counted. An index has it: what was deleted since is not read."""
        recent: ColumnElement[bool] = self.table.c.counted_at > now(session) - _TAKEN_OFF_FOR
        return recent

    def _count_anew(self, session: Session, owner: str, total: ScalarSelect[Any]) -> Sum:
        """By one statement, which sees of each deletion both that something is gone and what was taken off, or
        neither."""
        one = select(cast(func.coalesce(total, 0), BigInteger).label("amount")).subquery()
        parts = select(one.c.amount, self.table.c.id).outerjoin_from(one, self.table, self.table.c.owner == owner)
        rows = session.execute(parts).all()
        return Sum(rows[0].amount, now(session), [row.id for row in rows if row.id], is_new=True)
