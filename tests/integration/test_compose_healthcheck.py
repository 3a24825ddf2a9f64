"""The program in docker-compose.yml that says whether a worker is alive, run as it is written there."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from uuid_utils.compat import uuid7
from workbench import change

from service.store import workers
from service.store.database import Database
from service.store.tables import Worker

_PROGRAM = re.compile(r"^      - \|\n((?: {8}.*\n)+)", re.MULTILINE)


@pytest.mark.parametrize(("hostname", "expected"), [(socket.gethostname(), 0), ("elsewhere", 1)])
def test_the_container_of_a_worker_is_healthy_while_the_worker_is_alive(
    database: Database, hostname: str, expected: int, database_url: str
) -> None:
    devices = [{"name": "cpu", "description": "the test's"}]
    row = Worker(id=uuid7(), hostname=hostname, process_id=1, version="1", devices=devices, slots=1)
    change(database, lambda session: workers.add_worker(session, row))
    (program,) = _PROGRAM.findall((Path(__file__).parents[2] / "docker-compose.yml").read_text())
    checked = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        env=os.environ | {"SLOPE_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (expected, "")
