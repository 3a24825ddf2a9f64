"""PostgreSQL behind PgBouncer in its mode `transaction`: what one process of the server knows, the next does not."""

import getpass
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from e2e.processes import Program
from sqlalchemy import URL, make_url, text
from uuid_utils.compat import uuid7
from workbench import LECTURE, FakeQueue, at_once, claim, read, submit

from service.settings import Settings
from service.store.database import Database
from service.store.jobs import jobs
from service.store.tables import Job
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
# In CI nothing is skipped for want of a tool: there these tests fail where there is no PgBouncer.
pytestmark = pytest.mark.skipif(_PROGRAM is None and "CI" not in os.environ, reason="there is no pgbouncer")

_PORT = 6432
_POOL = 3
"""Processes of the server: fewer than there are clients, so that each of these meets several."""
_OFTEN = 12
"""psycopg prepares a statement when it has seen it five times."""


@pytest.fixture(scope="module")
def pooler(postgresql: Any) -> Iterator[Path]:
    """The folder of its socket. It leads to whatever database it is asked for."""
    assert _PROGRAM, "there is no pgbouncer"
    server: URL = postgresql.url
    host = str(server.host or server.query.get("host", "/var/run/postgresql"))
    folder = Path(tempfile.mkdtemp(prefix="slope-pool-"))
    user = Path(host).owner() if host.startswith("/") else "nobody"
    shutil.chown(folder, user)
    entry = {"host": host, "port": server.port or 5432, "user": server.username or getpass.getuser()}
    entry |= {"password": server.password} if server.password else {}
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = {' '.join(f'{name}={value}' for name, value in entry.items())}\n"
        f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = {_PORT}\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {_POOL}\n"
    )
    become = ("--user", user) if os.getuid() == 0 else ()
    with Program(folder, _PROGRAM, *become, str(folder / "pgbouncer.ini")) as program:
        program.until((folder / f".s.PGSQL.{_PORT}").exists)
        yield folder
    shutil.rmtree(folder)


@pytest.fixture
def pooled_url(pooler: Path, postgresql_url: str) -> str:
    """The URL of a migrated database of this test's own, through the pooler."""
    direct = make_url(postgresql_url)
    pooled = direct.set(host=None, port=None, query={"host": str(pooler), "port": str(_PORT)})
    return pooled.render_as_string(hide_password=False)


@pytest.fixture(params=[False, True], ids=["patient", "fails fast"])
def pooled(request: pytest.FixtureRequest, pooled_url: str) -> Iterator[Database]:
    database = Database(pooled_url, fails_fast=request.param)
    yield database
    database.dispose()


def test_statements_that_many_repeat_find_no_other_s_prepared_ones(pooled: Database) -> None:
    def act(_: int) -> list[UUID]:
        made = []
        for _ in range(_OFTEN):
            made.append(submit(pooled))
            assert read(pooled, made[-1]).status == "queued"
            assert pooled.query(jobs.versions_of, [made[-1]])
        return made

    made = [job_id for each in at_once(2 * _POOL, act) for job_id in each]
    assert len(set(made)) == 2 * _POOL * _OFTEN


def test_writers_lose_no_update_and_a_session_to_read_with_sees_one_moment(pooled: Database) -> None:
    job_id = submit(pooled)

    def count_up(_: int) -> None:
        for _ in range(_OFTEN):
            with pooled.writing() as session:
                session.get_one(Job, job_id, with_for_update=True).epochs_done += 1
                session.commit()

    with pooled.reading() as session:
        before = session.scalar(text("SELECT sum(epochs_done) FROM jobs"))
        at_once(_POOL - 1, count_up)
        after = session.scalar(text("SELECT sum(epochs_done) FROM jobs"))
    assert (before, after, read(pooled, job_id).epochs_done) == (0, 0, (_POOL - 1) * _OFTEN)


def test_what_one_transaction_sets_is_not_set_in_the_next(pooled: Database) -> None:
    def timeouts() -> set[str]:
        asked = text("SELECT current_setting('lock_timeout') || current_setting('idle_in_transaction_session_timeout')")
        with pooled.reading() as session:
            return {str(session.scalar(asked))}

    before = timeouts()
    submit(pooled)
    assert set.union(*(timeouts() for _ in range(_OFTEN))) == before


def test_a_job_is_trained(pooled_url: str, settings: Settings, queue: FakeQueue) -> None:
    worker_id = uuid7()
    database = Database(pooled_url, worker_id=worker_id)
    process = Process(settings, database, [Device("cpu", "the test's")], worker_id, queue)
    for _ in range(_OFTEN // 2):
        job_id = submit(database, LECTURE)
        mine = claim(database, job_id, worker_id=worker_id)
        assert mine
        run_attempt(process, mine)
        assert read(database, job_id).status == "succeeded"
    database.dispose()


def test_a_server_that_is_reached_directly_prepares_statements(postgresql_url: str) -> None:
    """They save four fifths of a poll."""
    database = Database(f"{postgresql_url}{'&' if '?' in postgresql_url else '?'}prepare_threshold=0")
    asked = text("SELECT count(*) FROM pg_prepared_statements")
    for _ in range(_OFTEN):
        prepared = database.query(lambda connection: connection.scalar(asked))
    database.dispose()
    assert prepared
