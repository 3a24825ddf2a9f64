"""Entity tags (RFC 9110): a job's version, and the reason it waits, which is not part of its row."""

from typing import Annotated
from zlib import crc32

from fastapi import Depends, Header

from service.errors import JobHasChanged
from service.jobs.jobs import Check
from service.store.tables import Job


def etag(job: Job, reason: str | None) -> str:
    return f'"{job.version}.{crc32((reason or "").encode()):x}"'


def matches_etag(if_none_match: str | None, tag: str) -> bool:
    """Whether the tag is among those the client holds. Weak comparison, as If-None-Match asks for."""
    held = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return tag in held or "*" in held


async def _if_match(if_match: Annotated[str | None, Header()] = None) -> Check | None:
    """What is asked of a job before it is changed. A weak tag is never the same, where something is changed."""
    held = {each.strip() for each in (if_match or "").split(",")}

    def check(job: Job, reason: str | None) -> None:
        if "*" not in held and etag(job, reason) not in held:
            raise JobHasChanged

    return None if if_match is None else check


IfMatchDep = Annotated[Check | None, Depends(_if_match)]
"""Raises JobHasChanged for a job of another ETag."""
