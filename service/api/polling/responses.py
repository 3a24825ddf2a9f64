"""What a poll for a job answers, made once for every state of the job, which has an entity tag (RFC 9110)."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated
from uuid import UUID
from zlib import crc32

from anyio import CapacityLimiter, to_thread
from cachetools import LRUCache
from fastapi import Depends, Header, Response
from pydantic import BaseModel

from service.api.polling.watch import Batches, JobWatch
from service.api.schemas.jobs import view_job
from service.errors import JobHasChanged, JobNotFound
from service.jobs import jobs
from service.jobs.jobs import Check, Submission
from service.store.database import Database
from service.store.jobs import jobs as stored
from service.store.tables import Job
from slope.statuses import FINAL

_MOST_KEPT = 1000
_MOST_ASKED = 1000
"""Jobs whose versions one query reads."""
_LARGEST_KEPT = 16 * 1024
_THREADS = 8
"""Of their own: a poll does not wait for what else the service does."""


def etag(job: Job, reason: str | None) -> str:
    return f'"{job.version}.{crc32((reason or "").encode()):x}"'


def matches_etag(if_none_match: str | None, tag: str) -> bool:
    """Whether the tag is among those that the client has. Weak comparison, as If-None-Match asks for."""
    tags = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return tag in tags or "*" in tags


def tagged_response(view: BaseModel, if_none_match: str | None) -> Response:
    """An answer that has an ETag of its own: 304 for a client that has it already."""
    body = view.model_dump_json().encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    if matches_etag(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


async def _if_match(if_match: Annotated[str | None, Header()] = None) -> Check | None:
    """What is asked of a job before it is changed. A weak tag is never the same, where something is changed."""
    tags = {each.strip() for each in (if_match or "").split(",")}

    def check(job: Job, reason: str | None) -> None:
        if "*" not in tags and etag(job, reason) not in tags:
            raise JobHasChanged

    return None if if_match is None else check


IfMatchDep = Annotated[Check | None, Depends(_if_match)]
"""Raises JobHasChanged for a job of another ETag."""


@dataclass(frozen=True)
class JobResponse:
    """A job as JSON."""

    version: int
    tag: str
    body: bytes
    status: str
    owner: str

    @property
    def is_final(self) -> bool:
        """Whether the job has ended: it changes no more."""
        return self.status in FINAL


class JobResponses:
    """Keeps answers until their jobs change: a poll then costs a part of a small query."""

    def __init__(self, database: Database, watch: JobWatch) -> None:
        self._database = database
        self._watch = watch
        self._versions = Versions(database)
        self._kept: LRUCache[UUID, JobResponse] = LRUCache(_MOST_KEPT)
        self._threads = CapacityLimiter(_THREADS)
        self._owner: str | None = None
        """Whose jobs alone are answered; None for all."""

    def of_owner(self, owner: str) -> "JobResponses":
        """The same answers, for whom there are no jobs but the owner's."""
        own = copy(self)
        own._owner = owner
        return own

    async def of(self, job_id: UUID) -> JobResponse:
        """The answer for the job as it stands. Raises JobNotFound."""
        answer = await self._answer(job_id)
        if self._owner not in (None, answer.owner):
            raise JobNotFound(job_id)
        return answer

    async def _answer(self, job_id: UUID) -> JobResponse:
        kept = self._kept.get(job_id)
        if kept and await self._versions.of(job_id) == kept.version:
            return kept
        self._kept.pop(job_id, None)
        answer = await to_thread.run_sync(self._make, job_id, limiter=self._threads)
        if answer.status != "queued" and len(answer.body) <= _LARGEST_KEPT:  # why a job waits is not in its version
            self._kept[job_id] = answer
        return answer

    async def after(self, job_id: UUID, version: int, seconds: float) -> JobResponse:
        """The answer when the job's version is no longer the given one, or as it stands when time is up."""
        await self._watch.changed(job_id, version, seconds)
        return await self.of(job_id)

    async def final(self, submission: Submission, seconds: float) -> JobResponse:
        """The answer when the job has ended, or as it stands when time is up."""
        if seconds and not submission.is_final:
            await self._watch.ended(submission.job_id, seconds)
        elif submission.job:
            return _response(submission.job, submission.reason)
        return await self.of(submission.job_id)

    def rehearse(self, job: Job) -> None:
        """Answer for a job that is not kept: the first client then finds everything loaded and connected."""
        self._watch.rehearse(job.id)
        self._versions.rehearse(job.id)
        _response(job, None)

    def _make(self, job_id: UUID) -> JobResponse:
        return _response(*self._database.query(jobs.look_at_job, job_id))


def _response(job: Job, reason: str | None) -> JobResponse:
    body = view_job(job, reason).model_dump_json().encode()
    return JobResponse(job.version, etag(job, reason), body, job.status, job.owner)


class Versions:
    """Reads the versions of many jobs by one query: a poll that comes while one runs waits for the next.

    No answer is older than its question. A query that is lost ends, as all that the database is asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches = Batches(self._read, most=_MOST_ASKED)

    async def of(self, job_id: UUID) -> int | None:
        """The job's version; None when there is no such job."""
        return await self._batches.of(job_id)

    def rehearse(self, job_id: UUID) -> None:
        """Ask for that of a job that may not be there."""
        self._read([job_id])

    def _read(self, job_ids: Sequence[UUID]) -> list[int | None]:
        versions = self._database.query(stored.versions_of, list(set(job_ids)))
        return [versions.get(job_id) for job_id in job_ids]
