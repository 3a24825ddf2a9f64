"""A service that a command starts for itself, and that does not become ready."""

import pytest

from service.commands import local
from slope.answers.health import Readiness


class Waiting:
    """A client of a service whose worker does not come."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, *_: object) -> None: ...

    def readiness(self) -> Readiness:
        return Readiness(status="degraded", database=True, storage=True, broker=False, workers=0, without_broker=[])


def test_what_a_service_that_is_not_ready_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "Client", Waiting)
    monkeypatch.setattr(local, "START_SECONDS", -1.0)
    with pytest.raises(SystemExit, match="there is no broker, worker yet"):
        local._wait_until_ready("http://127.0.0.1:8000")
