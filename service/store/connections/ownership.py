"""Whose rows a statement means: one rule for all statements of a connection, so that no query can forget it.

On a connection of an owner, a class of a table means those of its rows that are the owner's, or that belong to one of
the owner's jobs: whatever is asked, changed or deleted. Everything else is not there. Where all rows are to be looked
at, as for whether an object of the storage is still needed, a statement names the table itself: `Job.__table__`. What a
job has learnt from is read with the job, whoever it belongs to.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Engine,
    FromClause,
    Insert,
    Select,
    Text,
    TextClause,
    Update,
    bindparam,
    event,
    exists,
)
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.orm.interfaces import CriteriaOption
from sqlalchemy.orm.util import LoaderCriteriaOption

from service.store.tables import Job, Table

OWNER = "slope_owner"
"""The option of a connection that says whose it is, and the parameter of its statements."""


def rule_by_owner(engine: Engine) -> Engine:
    """The same connections, under the rule. `engine_of_owner` says whose they are."""
    ruled = engine.execution_options()
    event.listen(ruled, "before_execute", _keep_to_owner, retval=True)
    return ruled


def engine_of_owner(engine: Engine, owner: str) -> Engine:
    """The same connections for an owner."""
    return engine.execution_options(**{OWNER: owner})


def _keep_to_owner(
    connection: Connection, statement: Any, many: list[dict[str, Any]], parameters: dict[str, Any], _options: Any
) -> tuple[Any, list[dict[str, Any]], dict[str, Any]]:
    if isinstance(statement, Select | Update | Delete):
        whose = {OWNER: connection.get_execution_options()[OWNER]}
        many, parameters = [each | whose for each in many], {} if many else parameters | whose
        statement = statement.options(_RULE)
    elif not isinstance(statement, Insert | TextClause):  # as a union: the rule would not reach into it
        raise TypeError(f"{type(statement).__name__}: ask for what an owner may see by a SELECT")
    return statement, many, parameters


class _Rule(CriteriaOption):
    """All criteria as one option without a value: a statement is compiled once, and the owner is one of its parameters.

    An option for each class, with the owner in it, would take longer to look up than SQLite takes to answer.
    """

    _cache_key_traversal: Any = ()

    def process_compile_state(self, compile_state: Any) -> None:
        self.get_global_criteria(compile_state.global_attributes)

    def get_global_criteria(self, attributes: dict[Any, Any]) -> None:
        for each in _criteria():
            each.get_global_criteria(attributes)


_RULE = _Rule()


@cache
def _criteria() -> tuple[LoaderCriteriaOption, ...]:
    """For every table that belongs to somebody."""
    found = ((mapper, _condition(mapper.local_table)) for mapper in Table.registry.mappers)
    limits = {"include_aliases": True, "propagate_to_loaders": False}
    return tuple(
        with_loader_criteria(mapper, condition, **limits) for mapper, condition in found if condition is not None
    )


def _condition(table: FromClause) -> ColumnElement[bool] | None:
    """None of a table that belongs to nobody."""
    owner = bindparam(OWNER, type_=Text)
    if "owner" in table.c:
        return table.c.owner == owner
    if "job_id" in table.c:
        jobs = Job.__table__.alias("jobs_of_owner")  # of its own, whatever else the statement asks of jobs
        return exists().where(jobs.c.id == table.c.job_id, jobs.c.owner == owner)
    return None
