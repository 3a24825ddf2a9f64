"""Entity tags (RFC 9110): a job's version, and the reason it waits, which is not part of its row."""

from zlib import crc32

from service.store.tables import Job


def etag(job: Job, reason: str | None) -> str:
    return f'"{job.version}.{crc32((reason or "").encode()):x}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the tag is among those the client holds. Weak comparison, as If-None-Match asks for."""
    held = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return tag in held or "*" in held
