"""What was done with which key: every change that was asked for, and how it was answered. Nothing of a body is kept."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import structlog
from uuid_utils.compat import uuid7

from service.errors import ServiceError
from service.store.database import Database
from service.store.owners import keys

_SUBJECT = re.compile(r"/v[12]/[a-z]+/([^/]+)(/.*)?")
_OF_MANY = "cancel"
"""In the place of an id: it is done to all jobs that filters select."""
_LONGEST = 200

log = structlog.get_logger()


@dataclass(frozen=True)
class Deed:
    """A change that somebody asked for."""

    key_id: str
    owner: str
    method: str
    address: str
    subject: str | None
    status: int


def subject_of(address: str, made: str | None) -> str | None:
    """The id of what is changed, by the address; of what was made, by its `Location`."""
    found = _SUBJECT.fullmatch(made or address)
    return found[1] if found and found[1] != _OF_MANY else None


class AuditLog:
    """Writes deeds by the batch, each before it is answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, deeds: Sequence[Deed]) -> Sequence[None]:
        """In one transaction. What cannot be written is in the process's own log, for the change has been made."""
        rows = [{"id": uuid7(), **asdict(deed), "address": deed.address[:_LONGEST]} for deed in deeds]
        try:
            with self._database.writing() as session:
                keys.add_entries(session, rows)
                session.commit()
        except ServiceError as error:
            told = [asdict(deed) for deed in deeds]
            log.warning("the audit log could not be written", error=str(error), deeds=told)
        return [None] * len(deeds)
