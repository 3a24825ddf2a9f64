"""Whose rows a statement means: one rule for all statements of a connection, so that no query can forget it.

On a connection of an owner, a class of a table means those of its rows that are the owner's, or that belong to one of
the owner's jobs: whatever is asked, changed or deleted. Everything else is not there. Where all rows are to be looked
at, as for whether an object of the storage is still needed, a statement names the table itself: `Job.__table__`. What a
job has learnt from is read with the job, whoever it belongs to.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Engine,
    FromClause,
    Insert,
    Select,
    TextClause,
    Update,
    event,
    exists,
)
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.orm.util import LoaderCriteriaOption

from service.store.tables import Job, Table

OWNER = "slope_owner"
"""The option of a connection that says whose it is."""
_MOST_OWNERS = 1000


def rule_by_owner(engine: Engine) -> Engine:
    """The same connections, under the rule. `engine_of_owner` says whose they are."""
    ruled = engine.execution_options()
    event.listen(ruled, "before_execute", _keep_to_owner, retval=True)
    return ruled


def engine_of_owner(engine: Engine, owner: str) -> Engine:
    """The same connections for an owner."""
    return engine.execution_options(**{OWNER: owner})


def _keep_to_owner(
    connection: Connection, statement: Any, many: Any, parameters: Any, _options: Any
) -> tuple[Any, Any, Any]:
    if isinstance(statement, Select | Update | Delete):
        statement = statement.options(*_rules_of(connection.get_execution_options()[OWNER]))
    elif not isinstance(statement, Insert | TextClause):  # as a union: the rule would not reach into it
        raise TypeError(f"{type(statement).__name__}: ask for what an owner may see by a SELECT")
    return statement, many, parameters


@lru_cache(maxsize=_MOST_OWNERS)
def _rules_of(owner: str) -> tuple[LoaderCriteriaOption, ...]:
    """Those of other classes are not looked at: all are given with every statement."""
    return tuple(_rules(owner))


def _rules(owner: str) -> Iterator[LoaderCriteriaOption]:
    jobs = Job.__table__.alias("jobs_of_owner")  # of its own, whatever else the statement asks of jobs
    for mapper in Table.registry.mappers:
        table = mapper.local_table
        if (condition := _condition(table, jobs, owner)) is not None:
            yield with_loader_criteria(mapper, condition, include_aliases=True, propagate_to_loaders=False)


def _condition(table: FromClause, jobs: FromClause, owner: str) -> ColumnElement[bool] | None:
    """None of a table that belongs to nobody."""
    if "owner" in table.c:
        return table.c.owner == owner
    if "job_id" in table.c:
        return exists().where(jobs.c.id == table.c.job_id, jobs.c.owner == owner)
    return None
