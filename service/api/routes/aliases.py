"""Routes for aliases of jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator

from service.api.dependencies import DatabaseDep, Limit, SessionDep, require_json
from service.jobs import aliases
from service.store.tables import Alias
from slope.answers.aliases import AliasView
from slope.answers.view import Page
from slope.spec.aliases import ALIAS, AliasTarget, refuse_other_names

router = APIRouter(prefix="/v1/aliases", tags=["aliases"])

Name = Annotated[
    str,
    Path(pattern=ALIAS, description="What to call a job; no name that could be taken for an id", examples=["champion"]),
]
NewName = Annotated[Name, AfterValidator(refuse_other_names)]
AfterName = Annotated[
    str | None, Query(max_length=63, pattern=r"^[^\x00]*$", description="The last name that was read")
]


@router.get("")
def list_aliases(session: SessionDep, after: AfterName = None, limit: Limit = 50) -> Page[AliasView]:
    """Aliases by name, and the jobs that they stand for."""
    found, following = aliases.list_aliases(session, after=after, limit=limit)
    return Page(data=list(map(_view, found)), next=following)


@router.put("/{name}", dependencies=[Depends(require_json)])
def put_alias(name: NewName, target: AliasTarget, database: DatabaseDep) -> AliasView:
    """Let a name stand for a job: in all addresses, the name may take the place of the job's id.

    A name that stands for another job is moved: every request finds the one or the other. A job that has a name is
    not deleted.
    """
    return _view(aliases.put_alias(database, name, target.job))


@router.delete("/{name}", status_code=204)
def delete_alias(name: Name, database: DatabaseDep) -> None:
    """Let a name stand for nothing. The job stays."""
    aliases.delete_alias(database, name)


def _view(alias: Alias) -> AliasView:
    return AliasView(name=alias.name, job=alias.job_id, changed_at=alias.changed_at)
