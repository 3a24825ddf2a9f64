"""The job that a process trains before its first real one, and that there never was."""

import logging
from typing import IO

import pytest
from structlog.testing import capture_logs

from service.errors import DatabaseUnavailable
from worker import rehearsal
from worker.counts import share_counts, sum_counts
from worker.process import Process
from worker.rehearsal import rehearse


def test_a_rehearsal_is_counted_nowhere(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[IO[bytes]] = []
    monkeypatch.setattr("worker.counts._kept", files)
    monkeypatch.setenv("SLOPE_WORKER_COUNTS", "")  # so that what follows is taken back
    share_counts(1)
    with capture_logs() as said:
        rehearse(process)
    assert "no rehearsal" not in [each["event"] for each in said]
    assert set(sum_counts(process.counts).values()) == {0.0}
    files[0].close()


def test_after_a_rehearsal_that_failed_the_log_says_as_much_as_before(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseUnavailable("for the test")

    monkeypatch.setattr(rehearsal, "_play", fail)
    rehearse(process)
    assert logging.root.manager.disable == logging.NOTSET
