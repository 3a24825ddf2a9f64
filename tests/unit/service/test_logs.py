"""Lines of the log: one event each, with the ids that belong to it, and without secrets."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from service.logs import configure_logs
from service.settings import Settings

DATABASE, BROKER, KEY = "p@ss/word:12", "brokers-own-word", "slope_k7_" + "a1B2" * 12


@pytest.fixture
def configured() -> Iterator[Callable[..., None]]:
    """Configures the logs as a process does, for as long as the test lasts."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(**settings: Any) -> None:
        urls = {"database_url": "postgresql://slope:p%40ss%2Fword%3A12@db/slope", "broker_url": f"redis://:{BROKER}@r"}
        configure_logs(Settings(**urls | settings))

    yield configure
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize("log_json", [True, False], ids=["for a collector", "for a person"])
def test_no_line_has_a_secret_wherever_it_was_put(
    configured: Callable[..., None], capsys: pytest.CaptureFixture[str], log_json: bool
) -> None:
    configured(log_json=log_json)
    log = structlog.get_logger()
    log.warning(f"connecting with {DATABASE}", broker=f"redis://:{BROKER}@r:6379/0", headers={"Authorization": KEY})
    log.error("refused", exc_info=ConnectionError(f"password authentication failed with {DATABASE!r} for {KEY}"))
    logging.getLogger("somebody.else").error("Cookie: session=%s", KEY)
    said = capsys.readouterr().err

    assert said.count("\n") >= 3
    for secret in (DATABASE, BROKER, KEY, json.dumps(DATABASE)[1:-1]):
        assert secret not in said
    assert "password authentication failed" in said


def test_a_collector_gets_an_object_a_line_with_the_ids_that_are_bound(
    configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured(log_json=True)
    with structlog.contextvars.bound_contextvars(request_id="r-1", job_id="j-1", attempt=2):
        structlog.get_logger().warning("the database is away")
        logging.getLogger("somebody.else").error("as well")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [line["event"] for line in lines] == ["the database is away", "as well"]
    for line in lines:
        assert line.items() >= {"request_id": "r-1", "job_id": "j-1", "attempt": 2}.items()
        assert line["timestamp"]
    assert [line["level"] for line in lines] == ["warning", "error"]


def test_what_is_below_the_level_is_not_even_put_together(
    configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured(log_level="WARNING")

    def refuse(*_: Any) -> Any:
        raise AssertionError

    structlog.configure(processors=[refuse, *structlog.get_config()["processors"]])
    structlog.get_logger().info("nobody reads this")

    assert capsys.readouterr().err == ""
