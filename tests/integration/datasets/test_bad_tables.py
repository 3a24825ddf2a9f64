"""Whatever file somebody sends: told at once, at its row and column, in bounded memory, and nothing of it stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from integration.datasets.bad_tables import CORPUS, BadTable
from workbench import FakeQueue, Migrated, problem_of, rows_of_every_table, storage

from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def client(migrated: Migrated, spool: Path) -> Iterator[TestClient]:
    with migrated("sqlite") as url:
        settings = Settings(
            database_url=url,
            broker_url="redis+socket:///none.sock",
            spool_dir=spool,
            max_upload_size=16 * 2**20,
            max_dataset_numbers=10_000_000,
            upload_memory=256 * 2**20,
        )
        with TestClient(create_app(settings, FakeQueue())) as client:
            yield client


def test_the_corpus_is_large() -> None:
    assert len({bad.name for bad in CORPUS}) == len(CORPUS) > 80


@pytest.mark.parametrize("bad", CORPUS, ids=lambda bad: bad.name)
def test_a_bad_table_is_refused_where_it_is_bad_and_leaves_nothing(
    client: TestClient, spool: Path, bad: BadTable
) -> None:
    database: Database = client.app.state.database  # type: ignore[attr-defined]
    headers = {"content-type": bad.kind} | ({"content-encoding": bad.encoding} if bad.encoding else {})
    objects = set(storage().everything())

    answer = client.post("/v1/datasets", content=bad.body, headers=headers, params=bad.parameters)

    problem = problem_of(answer, bad.status)
    assert [error["pointer"] for error in problem.get("errors", [])] == ([bad.pointer] if bad.pointer else [])
    assert rows_of_every_table(database)["datasets"] == 0
    assert set(storage().everything()) == objects
    assert list(spool.iterdir()) == []
