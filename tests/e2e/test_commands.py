"""`slope db upgrade`, `slope api` and `slope worker`, as an operator starts them beside a database and a broker."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.jobs import lecture_request
from e2e.processes import slope
from e2e.services import Broker, Service, free_port


@pytest.fixture
def environment(empty_postgresql_url: str, folder: Path, server_folder: Path) -> Iterator[dict[str, str]]:
    """A database without tables, and a broker."""
    broker = Broker(folder, server_folder / "commands.sock")
    broker.start()
    storage = {"SLOPE_STORAGE_URL": (folder / "commands" / "objects").as_uri()}
    yield {"SLOPE_DATABASE_URL": empty_postgresql_url, "SLOPE_BROKER_URL": broker.url} | storage
    broker.stop()


def test_the_parts_can_be_started_one_by_one_and_a_worker_waits_for_the_schema(
    environment: dict[str, str], folder: Path, lecture: dict[str, Any]
) -> None:
    port = str(free_port())
    service = Service(f"http://127.0.0.1:{port}")
    with (
        slope(folder, "worker", environment=environment) as worker,
        slope(folder, "api", "--port", port, environment=environment) as api,
    ):
        worker.until_written("slope db upgrade")
        api.until(lambda: service.readiness.get("status") == "unavailable")
        with slope(folder, "db", "upgrade", environment=environment) as upgrade:
            assert upgrade.wait() == 0
            assert "up to date" in upgrade.output

        worker.until_logged("worker ready")
        api.until(lambda: service.is_ready)
        with service.client as client:
            job = client.wait(client.submit(lecture_request(lecture)).id)
        assert job.weights == [lecture["records"][-1]["weight_after"]]

        assert worker.end() == 0
        assert api.end() == -signal.SIGTERM  # uvicorn hands it on when all is done
        assert "Traceback" not in worker.log
        assert not worker.family()
