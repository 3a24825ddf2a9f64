"""Addresses that name a job by its alias: the application reads its id in the place of it."""

import re
from collections.abc import Awaitable
from uuid import UUID

from anyio import to_thread
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import ServiceError
from service.store import aliases
from service.store.database import Database
from slope.spec.aliases import is_alias

_OF_A_JOB = re.compile(r"(/v1/jobs/|/v2/models/)([^/]+)")


class Aliases:
    """Puts the id of a job where its alias stands. A request has one answer, wherever the alias is moved meanwhile."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        found = _OF_A_JOB.match(get_route_path(scope)) if scope["type"] == "http" else None
        if found is None or not is_alias(found[2]):
            return self._app(scope, receive, send)  # without a coroutine of its own: every poll comes by
        return self._answer(found, scope, receive, send)

    async def _answer(self, found: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        try:
            job_id = await to_thread.run_sync(_aliased_job, scope["app"].state.database, found[2])
        except ServiceError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        if job_id is None:  # the route says what is wrong
            await self._app(scope, receive, send)
            return
        prefix = scope["path"].removesuffix(found.string)
        path = f"{prefix}{found.string[: found.start(2)]}{job_id}{found.string[found.end(2) :]}"
        await self._app({**scope, "path": path}, receive, send)


def _aliased_job(database: Database, name: str) -> UUID | None:
    return database.query(aliases.find_aliased_job, name)
