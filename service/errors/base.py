"""What all errors of the service are: a sentence, with its HTTP status and problem type (RFC 9457)."""

from collections.abc import Sequence
from inspect import getdoc
from typing import ClassVar
from uuid import UUID

from slope.spec import Fault


class ServiceError(Exception):
    """Something unforeseen happened in the service: its log has the details. What was asked for may or may not be done.
    Look, repeat the request if it is not, and tell the operator."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "The service failed"
    advice: str = "Look into the service's log"
    """What its operator does about it."""

    def __init__(
        self,
        detail: str = "Something unforeseen happened; the service's log has the details",
        faults: list[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """`faults` point at the values that are wrong."""
        super().__init__(detail)
        self.detail = detail
        self.faults = faults or []
        self.headers = headers or {}

    @classmethod
    def meaning(cls) -> str:
        """What has happened where a problem has this type, and what to do."""
        return " ".join((getdoc(cls) or "").split())


class Damaged(ServiceError):
    """Somebody has changed what is kept of it in the database, so that it cannot be read any more."""

    status = 409
    noun: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, row_id: UUID, what: Sequence[str]) -> None:
        """`what` names its parts."""
        super().__init__(
            f"In the database somebody has damaged what is kept of {self.noun} {row_id}: its {', '.join(what)}. "
            f"{self.remedy}, or have the operator restore a backup"
        )
        self.row_id, self.what = row_id, what


class NotDone(Exception):
    """A sentence for who operates the service: what was not done, why, and what to do. No client meets it."""


def error_kinds() -> dict[str, type[ServiceError]]:
    """Every kind of problem by its type, in the order of their statuses."""
    kinds: dict[str, type[ServiceError]] = {}
    waiting = [ServiceError]
    while waiting:
        kind = waiting.pop(0)
        kinds.setdefault(kind.type, kind)
        waiting += kind.__subclasses__()
    return dict(sorted(kinds.items(), key=lambda each: (each[1].status, each[0])))
