"""The programs in docker-compose.yml, run as they are written there: is a worker alive, and the passwords."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url
from uuid_utils.compat import uuid7
from workbench import change

from service.settings import Settings
from service.store import workers
from service.store.database import Database
from service.store.tables import Worker

_PROGRAM = re.compile(r"^      - \|\n((?: {8}.*\n|\n)+)", re.MULTILINE)


def program(word: str) -> str:
    """The one that has a word."""
    programs = _PROGRAM.findall((Path(__file__).parents[3] / "docker-compose.yml").read_text())
    [found] = [each for each in programs if word in each]
    return dedent(found)


@pytest.mark.parametrize(("hostname", "expected"), [(socket.gethostname(), 0), ("elsewhere", 1)])
def test_the_container_of_a_worker_is_healthy_while_the_worker_is_alive(
    database: Database, hostname: str, expected: int, database_url: str
) -> None:
    devices = [{"name": "cpu", "description": "the test's"}]
    row = Worker(id=uuid7(), hostname=hostname, process_id=1, version="1", devices=devices, slots=1)
    change(database, lambda session: workers.add_worker(session, row))
    checked = subprocess.run(
        [sys.executable, "-c", program("alive")],
        env=os.environ | {"SLOPE_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (expected, "")


@pytest.mark.parametrize("given", ["", "p@ss/w:rd%20"])
def test_passwords_are_made_once_each_for_those_who_need_it(tmp_path: Path, given: str) -> None:
    for user in ("postgres", "redis", "slope", "prometheus", "grafana"):
        (tmp_path / user).mkdir()
    make = program("token_urlsafe").replace("/var/lib/slope-secrets", str(tmp_path))
    made = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", make], env={"POSTGRES_PASSWORD": given}, check=True)
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        made.append({str(file.relative_to(tmp_path)): file.read_text() for file in files})
    first, second = made
    settings = Settings(_secrets_dir=tmp_path / "slope")
    database, broker = make_url(settings.database_url), urlsplit(settings.broker_url)

    assert first == second
    assert database.password == first["postgres/password"]
    assert broker.password == first["redis/password"]
    assert first["redis/redis.conf"] == f"requirepass {broker.password}\n"
    assert settings.metrics_token
    assert settings.metrics_token.get_secret_value() == first["prometheus/metrics_token"]
    used = ("postgres/password", "redis/password", "grafana/password", "prometheus/metrics_token")
    words = [first[name] for name in used]
    assert given in ("", words[0])
    assert len(set(words)) == 4
    assert all(len(word) > 40 for word in words[1:])
