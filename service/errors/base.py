"""What all errors of the service are: a sentence, with its HTTP status and problem type (RFC 9457)."""

from typing import ClassVar

from slope.spec import Fault


class ServiceError(Exception):
    """Something the caller should know. `faults` point at the values that are wrong."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "The service failed"
    advice: ClassVar[str] = "Look into the service's log"
    """What its operator does about it."""

    def __init__(
        self,
        detail: str = "Something unforeseen happened; the service's log has the details",
        faults: list[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults or []
        self.headers = headers or {}
