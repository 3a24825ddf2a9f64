"""What one owner may use: requests, jobs under way, bytes, recorded numbers. Another's are not touched by that."""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.orm import Session
from workbench import LECTURE, MANY_ROWS, FakeQueue, change, problem_of, rows_of_every_table, storage, submit

from service.access import keys
from service.api.app import create_app
from service.api.guards.request_quota import Meter
from service.settings import Settings, WrongSettings, get_settings
from service.store.database import Database, now
from service.store.owners import stored, sums, usage
from service.store.owners.keys import select_entries
from service.store.tables import Job, StoredUsage, Usage
from service.upkeep.retention import prune

Headers = dict[str, str]
_numbers = count()
Serving = Callable[..., Any]
LONG_AGO = datetime.now(UTC) - timedelta(hours=2)
KEEPS_STEPS = LECTURE["hyperparameters"] | {"record": {"steps": "all"}}


@pytest.fixture
def serving(settings: Settings, database: Database, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """A service with these settings, for two owners, who come as clients of their own."""
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)

    @contextmanager
    def serve(**changes: Any) -> Iterator[tuple[TestClient, Headers, Headers]]:
        app = create_app(settings.model_copy(update={"auth": "required"} | changes), queue)
        with TestClient(app) as client:
            yield client, key_of(database, "alice"), key_of(database, "bob")

    return serve


def key_of(database: Database, owner: str) -> Headers:
    made = keys.create_key(database, f"{owner}-{next(_numbers)}", "train", owner=owner)
    return {"Authorization": f"Bearer {made.text}"}


def refused(answer: Any) -> dict[str, Any]:
    problem = problem_of(answer, 429)
    assert problem["type"] == "/problems/quota-exceeded"
    assert int(answer.headers["retry-after"]) > 0
    return problem


# requests


def test_who_is_refused_is_counted_and_fills_no_log(serving: Serving, database: Database) -> None:
    with serving(owner_requests="3/minute") as (client, _, _):
        reader = keys.create_key(database, "carol", "read")
        shown = {"Authorization": f"Bearer {reader.text}"}
        statuses = [client.post("/v1/jobs", json=LECTURE, headers=shown).status_code for _ in range(5)]

    assert statuses == [403] * 3 + [429] * 2
    with database.reading() as session:
        deeds = select_entries(session, [reader.key.id], before=None, limit=10)
    assert [deed.status for deed in deeds] == [403] * 3


def test_an_answer_says_how_many_requests_are_left_and_one_too_many_is_refused(serving: Serving) -> None:
    with serving(owner_requests="3/minute;100/hour") as (client, alice, bob):
        answers = [client.get("/v1/jobs", headers=alice) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert answers[0].headers["ratelimit-policy"] == '"per minute";q=3;w=60, "per hour";q=100;w=3600'
        assert answers[0].headers["ratelimit"].startswith('"per minute";r=2;t=')
        assert answers[2].headers["ratelimit"].startswith('"per minute";r=0;t=')

        problem = refused(told := client.get("/v1/jobs", headers=alice))
        assert "per minute" in problem["detail"]
        assert int(told.headers["retry-after"]) <= 120
        assert client.get("/v1/jobs", headers=bob).status_code == 200
        assert client.get("/livez").status_code == 200
        assert "ratelimit" not in client.get("/livez").headers


def test_without_a_bound_no_answer_speaks_of_one(client: TestClient) -> None:
    assert not {"ratelimit", "ratelimit-policy"} & set(client.get("/v1/jobs").headers)


def test_processes_count_together_in_the_broker(broker_url: str) -> None:
    async def main() -> list[bool]:
        one, other = Meter("2/hour", broker_url), Meter("2/hour", broker_url)
        owner = f"owner of {id(one)}"
        used_up = [(await meter.count(owner))[0].is_used_up for meter in (one, other, one, other)]
        await asyncio.gather(one.close(), other.close())
        return used_up

    assert asyncio.run(main()) == [False, False, True, True]


def test_while_the_broker_is_away_each_process_counts_by_itself(settings: Settings) -> None:
    async def main() -> list[bool]:
        meter = Meter("1/hour", settings.broker)
        used_up = [(await meter.count("alice"))[0].is_used_up for _ in range(3)]
        await meter.close()
        return used_up

    assert asyncio.run(main()) == [False, True, True]


@pytest.mark.parametrize("rates", ["many", "5", "5/fortnight"])
def test_a_bound_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, rates: str) -> None:
    monkeypatch.setenv("SLOPE_OWNER_REQUESTS", rates)
    get_settings.cache_clear()
    with pytest.raises(WrongSettings, match="SLOPE_OWNER_REQUESTS"):
        get_settings()


# jobs


def test_an_owner_s_jobs_under_way_are_bounded_and_another_s_are_not_counted(
    serving: Serving, database: Database
) -> None:
    with serving(owner_jobs=2) as (client, alice, bob):
        first, _ = (client.post("/v1/jobs", json=LECTURE, headers=alice) for _ in range(2))
        for body in (LECTURE, LECTURE | MANY_ROWS):
            refused(client.post("/v1/jobs", json=body, headers=alice))
        refused(client.post(first.headers["Location"] + "/rerun", json={}, headers=alice))
        assert rows_of_every_table(database)["jobs"] == 2
        assert client.post("/v1/jobs", json=LECTURE, headers=bob).status_code == 202

        client.post(first.headers["Location"] + "/cancel", headers=alice)
        assert client.post("/v1/jobs", json=LECTURE, headers=alice).status_code == 202


def test_a_sweep_is_accepted_with_all_its_jobs_or_not_at_all(serving: Serving, database: Database) -> None:
    sweep = {"dataset": LECTURE["dataset"], "grid": {"learning_rate": [0.1, 0.01, 0.001]}}
    with serving(owner_jobs=5) as (client, alice, bob):
        assert client.post("/v1/sweeps", json=sweep, headers=alice).status_code == 202
        assert "3 more" in refused(client.post("/v1/sweeps", json=sweep, headers=alice))["detail"]
        assert client.post("/v1/sweeps", json=sweep, headers=bob).status_code == 202
    assert rows_of_every_table(database)["jobs"] == 6


def test_the_numbers_that_an_owner_s_jobs_record_are_bounded(serving: Serving) -> None:
    recording = LECTURE | {"hyperparameters": KEEPS_STEPS}
    with serving() as (client, alice, _):
        numbers = client.post("/v1/plan", json=recording, headers=alice).json()["plan"]["recorded_numbers"]
    with serving(owner_numbers=2 * numbers) as (client, alice, bob):
        first, _ = (client.post("/v1/jobs", json=recording, headers=alice) for _ in range(2))
        refused(client.post("/v1/jobs", json=recording, headers=alice))
        assert client.post("/v1/jobs", json=recording, headers=bob).status_code == 202

        client.post(first.headers["Location"] + "/cancel", headers=alice)
        assert client.delete(first.headers["Location"], headers=alice).status_code == 204
        assert client.post("/v1/jobs", json=recording, headers=alice).status_code == 202


def test_what_an_owner_s_jobs_record_is_counted_once_an_hour_and_not_with_every_job(
    serving: Serving, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    note_counts(monkeypatch, counted)
    recording = LECTURE | {"hyperparameters": KEEPS_STEPS}
    sweep = {key: recording[key] for key in ("dataset", "hyperparameters")} | {"grid": {"l2": [0.0, 0.1]}}
    with serving() as (client, alice, _):
        plan = client.post("/v1/plan", json=recording, headers=alice).json()["plan"]
        client.post("/v1/jobs", json=recording, headers=alice)
        assert rows_of_every_table(database)["usage"] == 0
    with serving(owner_numbers=4 * plan["recorded_numbers"]) as (client, alice, _):
        [before] = client.get("/v1/jobs", headers=alice).json()["data"]
        job = client.post("/v1/jobs", json=recording, headers=alice)
        made = client.post("/v1/sweeps", json=sweep, headers=alice)
        assert [made.status_code, *_statuses(client, alice, recording)] == [202, 429, 429]
        for path in (f"/v1/jobs/{before['id']}", job.headers["Location"], made.headers["Location"]):
            client.post(f"{path}/cancel", headers=alice)
            assert client.delete(path, headers=alice).status_code == 204
        assert _statuses(client, alice, recording, 5) == [202, 202, 202, 202, 429]
        assert counted == ["alice"]

        monkeypatch.setattr(sums, "_COUNTED_FOR", timedelta())
        change(database, lambda session: session.execute(update(Usage).values(numbers=0)))
        refused(client.post("/v1/jobs", json=recording, headers=alice))
        assert counted == ["alice", "alice"]


def test_more_numbers_than_a_small_integer_holds_are_counted_and_taken_off(
    serving: Serving, database: Database
) -> None:
    with serving(owner_numbers=10**10) as (client, alice, _):
        job_id = client.post("/v1/jobs", json=LECTURE, headers=alice).json()["id"]
        plan = client.get(f"/v1/jobs/{job_id}", headers=alice).json()["plan"] | {"recorded_numbers": 3 * 10**9}
        change(database, lambda session: session.execute(update(Job).values(plan=plan)))
        change(database, lambda session: session.execute(delete(Usage)))
        with database.writing() as session:
            assert usage.recorded_numbers(session, "alice").amount == 3 * 10**9
        assert _statuses(client, alice, LECTURE, 1) == [202]

        client.post(f"/v1/jobs/{job_id}/cancel", headers=alice)
        assert client.delete(f"/v1/jobs/{job_id}", headers=alice).status_code == 204
        with database.writing() as session:
            assert 0 < usage.recorded_numbers(session, "alice").amount < 10**6


def test_what_is_deleted_together_is_one_row_of_each_owner_and_any_number_of_rows_becomes_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "_MOST_IDS", 2)
    change(database, lambda session: usage.take_off_recorded(session, [("alice", 1), ("bob", 5), ("alice", 2)]))
    assert rows_of_every_table(database)["usage"] == 2
    statements: list[str] = []

    with database.writing() as session:
        for _ in range(4):
            usage.take_off_recorded(session, [("alice", 1)])
        row_ids = list(session.scalars(select(Usage.id).where(Usage.owner == "alice")))
        event.listen(session.connection(), "before_cursor_execute", lambda *given: statements.append(given[2]))
        usage.keep_recorded(session, "alice", sums.Sum(30, now(session), row_ids), 10)
        session.commit()
    assert sum(statement.startswith("DELETE") for statement in statements) == 3
    with database.reading() as session:
        kept = select(Usage.owner, Usage.numbers).order_by(Usage.owner)
        assert session.execute(kept).all() == [("alice", 40), ("bob", -5)]


def _statuses(client: TestClient, owner: Headers, job: dict[str, Any], count: int = 2) -> list[int]:
    return [client.post("/v1/jobs", json=job, headers=owner).status_code for _ in range(count)]


def test_a_job_that_is_not_accepted_together_with_others_because_its_owner_is_busy_is_accepted_alone(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "lock_free_owners", lambda _session, owners: set(owners))
    with serving(owner_jobs=1) as (client, alice, _):
        assert _statuses(client, alice, LECTURE) == [202, 429]


def test_a_job_whose_data_is_refused_is_not_counted(serving: Serving) -> None:
    with serving() as (client, alice, _):
        numbers = client.post("/v1/plan", json=LECTURE, headers=alice).json()["plan"]["recorded_numbers"]
    with serving(owner_numbers=numbers, owner_bytes=50) as (client, alice, _):
        larger = LECTURE | {"dataset": {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]}}
        larger |= {"hyperparameters": LECTURE["hyperparameters"] | {"batch_size": "full"}}  # of fewer numbers
        assert "bytes" in refused(client.post("/v1/jobs", json=larger, headers=alice))["detail"]
        assert client.post("/v1/jobs", json=LECTURE, headers=alice).status_code == 202


def note_counts(monkeypatch: pytest.MonkeyPatch, counted: list[str]) -> None:
    """Have it told of whom everything is looked at."""
    count_anew = sums.Sums._count_anew

    def count(self: sums.Sums, session: Session, owner: str, total: Any) -> sums.Sum:
        counted.append(owner)
        return count_anew(self, session, owner, total)

    monkeypatch.setattr(sums.Sums, "_count_anew", count)


def test_a_job_whose_plan_was_damaged_is_deleted_and_keeps_its_owner_from_nothing(
    serving: Serving, database: Database
) -> None:
    with serving(owner_numbers=10**6) as (client, alice, _):
        sound, damaged = (client.post("/v1/jobs", json=LECTURE, headers=alice).json()["id"] for _ in range(2))
        plan = {"recorded_numbers": "many"}
        change(database, lambda s: s.execute(update(Job).where(Job.id == UUID(damaged)).values(plan=plan)))
        change(database, lambda session: session.execute(delete(Usage)))

        assert _statuses(client, alice, LECTURE, 1) == [202]
        for job_id in (damaged, sound):
            client.post(f"/v1/jobs/{job_id}/cancel", headers=alice)
            assert client.delete(f"/v1/jobs/{job_id}", headers=alice).status_code == 204


# bytes


def table(seed: int, rows: int = 600) -> bytes:
    """Of too many numbers for a row."""
    return b"x,y\n" + b"".join(b"%d.5,%d\n" % (row, row + seed) for row in range(rows))


def forget_counts(session: Session) -> None:
    for table in (StoredUsage, Usage):
        session.execute(delete(table))


def kept_bytes(database: Database, owner: str) -> int:
    with database.reading() as session:
        return int(session.scalar(select(func.sum(StoredUsage.bytes)).where(StoredUsage.owner == owner)) or 0)


def really_stored(database: Database, owner: str) -> int:
    with database.reading() as session:
        return int(session.scalar(select(stored._total(owner))) or 0)


CSV = {"Content-Type": "text/csv"}


def test_the_bytes_of_datasets_are_counted_once_an_hour_and_not_with_every_dataset(
    serving: Serving, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    note_counts(monkeypatch, counted)

    def is_right() -> bool:
        return all(
            kept_bytes(database, owner) == really_stored(database, owner)
            for owner in ("alice", "bob", stored.EVERYBODY)
        )

    with serving(owner_bytes=10**9, max_stored_bytes=10**9) as (client, alice, bob):
        made = {
            (owner, seed): client.post("/v1/datasets", content=table(seed), headers=key | CSV).json()["id"]
            for seed in range(3)
            for owner, key in (("alice", alice), ("bob", bob))
        }
        again = client.post("/v1/datasets?name=again", content=table(0), headers=alice | CSV)
        job = client.post("/v1/jobs", json=LECTURE, headers=alice)
        assert [again.status_code, job.status_code] == [201, 202]
        assert is_right()

        client.delete(f"/v1/datasets/{again.json()['id']}", headers=alice)  # she has it under another name
        client.delete(f"/v1/datasets/{made['alice', 1]}", headers=alice)  # bob has it, too
        assert is_right()
        client.delete(f"/v1/datasets/{made['bob', 1]}", headers=bob)
        client.post(job.headers["Location"] + "/cancel", headers=alice)
        assert client.delete(job.headers["Location"], headers=alice).status_code == 204
        assert is_right()
        assert sorted(counted) == [stored.EVERYBODY, "alice", "bob"]


def test_what_is_deleted_while_another_counts_is_taken_off(serving: Serving, database: Database) -> None:
    """On SQLite one follows the other."""
    with serving(owner_bytes=10**9) as (client, alice, _):
        ids = [client.post("/v1/datasets", content=table(n), headers=alice | CSV).json()["id"] for n in range(2)]
        change(database, lambda s: s.execute(update(StoredUsage).values(counted_at=LONG_AGO)))
        if database.is_sqlite:
            client.delete(f"/v1/datasets/{ids[0]}", headers=alice)
        with database.writing() as session:
            known = stored.stored_bytes(session, "alice")
            assert known.is_new
            if not database.is_sqlite:
                client.delete(f"/v1/datasets/{ids[0]}", headers=alice)
            stored.keep_stored(session, "alice", known, 0)
            session.commit()

    assert kept_bytes(database, "alice") == really_stored(database, "alice")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_is_deleted_while_another_counts_for_the_first_time_counts_until_the_next_look(
    serving: Serving, database: Database
) -> None:
    with serving() as (client, alice, _):
        made = client.post("/v1/datasets", content=table(0), headers=alice | CSV).json()
        with database.writing() as session:
            known = stored.stored_bytes(session, "alice")
            client.delete(f"/v1/datasets/{made['id']}", headers=alice)
            stored.keep_stored(session, "alice", known, 0)
            session.commit()
    assert kept_bytes(database, "alice") == made["size"]

    change(database, lambda session: session.execute(update(StoredUsage).values(counted_at=LONG_AGO)))
    with database.writing() as session:
        assert stored.stored_bytes(session, "alice").amount == 0


@pytest.mark.parametrize(
    ("quotas", "status", "whose"),
    [
        pytest.param({"owner_bytes": 1}, 429, ["alice"], id="of an owner"),
        pytest.param({"max_stored_bytes": 1}, 507, [stored.EVERYBODY], id="of everybody"),
        pytest.param(
            {"owner_bytes": 10**9, "max_stored_bytes": 1}, 507, [stored.EVERYBODY, "alice"], id="of everybody alone"
        ),
    ],
)
def test_what_was_counted_for_who_is_refused_is_not_counted_again(
    serving: Serving,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    quotas: dict[str, int],
    status: int,
    whose: list[str],
) -> None:
    counted: list[str] = []
    note_counts(monkeypatch, counted)
    sweep = {"dataset": LECTURE["dataset"], "grid": {"l2": [0.0, 0.1]}}
    uploaded: dict[str, Any] = {"content": table(0), "headers": CSV}

    with serving(owner_numbers=10**9, **quotas) as (client, alice, _):
        for path, asked, is_job in (
            ("/v1/datasets", uploaded, False),
            ("/v1/jobs", {"json": LECTURE}, True),
            ("/v1/jobs", {"json": LECTURE | MANY_ROWS}, True),
            ("/v1/sweeps", {"json": sweep}, True),
        ):
            counted.clear()
            headers = alice | asked.get("headers", {})
            statuses = [client.post(path, **asked | {"headers": headers}).status_code for _ in range(2)]
            assert statuses == [status] * 2
            assert sorted(counted) == sorted([*whose, *(["alice"] if is_job else [])]), "numbers are an owner's, too"
            with database.reading() as session:
                assert session.scalar(select(func.sum(StoredUsage.bytes))) == 0
                assert not session.scalar(select(func.sum(Usage.numbers)))
            change(database, forget_counts)

    rows = rows_of_every_table(database)
    assert rows["datasets"] == rows["jobs"] == rows["sweeps"] == 0


def test_what_a_transaction_deletes_is_taken_off_by_one_row_of_each_owner(database: Database) -> None:
    """And of everybody."""
    for start in range(3):
        submit(database, LECTURE | {"dataset": {"x": [start + 2.0, 1.0], "y": [2.0, 4.0]}})

    def count_all(session: Session) -> None:
        session.execute(update(Job).values(status="succeeded", finished_at=LONG_AGO))
        usage.keep_recorded(session, "", usage.recorded_numbers(session, ""), 0)
        for owner in ("", stored.EVERYBODY):
            stored.keep_stored(session, owner, stored.stored_bytes(session, owner), 0)

    change(database, count_all)
    assert kept_bytes(database, "") > 0

    assert prune(database, storage(), timedelta(hours=1)).jobs == 3

    rows = rows_of_every_table(database)
    assert (rows["datasets"], rows["usage"], rows["stored_usage"]) == (0, 2, 4)
    assert kept_bytes(database, "") == kept_bytes(database, stored.EVERYBODY) == 0
    with database.reading() as session:
        assert session.scalar(select(func.sum(Usage.numbers))) == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_whether_there_is_something_to_take_off_from_is_known_without_reading_what_was_deleted(
    database: Database,
) -> None:
    asked: list[Any] = []
    with database.reading() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        for sums_of in (stored._STORED, usage._NUMBERS):
            sums_of.counted_among(session, ["alice"])
            session.scalar(select(sums_of.is_counted(session, "alice")))
        explained = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all() for sql, values in asked[:4]]
    searches = [row[-1] for plan in explained for row in plan if "usage" in row[-1]]
    assert len(searches) == 4
    assert all("(owner=? AND counted_at>?)" in each for each in searches), searches


def test_datasets_of_one_content_count_what_their_object_takes_however_each_was_sent(
    serving: Serving, database: Database
) -> None:
    """What was sent compressed is stored compressed; the same that comes later in plain text shares its object."""
    plain = b"x,y\n" + b"1,2\n" * 2000
    with serving(owner_bytes=10**9, max_stored_bytes=10**9) as (client, alice, bob):
        packed = {"content": gzip.compress(plain), "headers": alice | CSV | {"Content-Encoding": "gzip"}}
        first = client.post("/v1/datasets?name=packed", **packed).json()
        further = [client.post("/v1/datasets", content=plain, headers=key | CSV).json() for key in (alice, bob)]
        assert [each["size"] for each in further] == [first["size"]] * 2
        assert first["size"] < 2 * 2000 * 8

        for each in (first, further[0]):
            client.delete(f"/v1/datasets/{each['id']}", headers=alice)
        assert [kept_bytes(database, owner) for owner in ("alice", stored.EVERYBODY)] == [0, first["size"]]
        client.delete(f"/v1/datasets/{further[1]['id']}", headers=bob)
        assert [kept_bytes(database, owner) for owner in ("bob", stored.EVERYBODY)] == [0, 0]


def test_where_there_are_no_quotas_nothing_is_counted(serving: Serving, database: Database) -> None:
    with serving() as (client, alice, _):
        made = client.post("/v1/datasets", content=table(0), headers=alice | CSV).json()["id"]
        client.delete(f"/v1/datasets/{made}", headers=alice)
    assert rows_of_every_table(database)["stored_usage"] == 0


def test_the_bytes_of_an_owner_s_datasets_are_bounded_those_of_jobs_too(serving: Serving) -> None:
    tables = [b"x,y\n" + b"".join(b"%d.5,%d\n" % (row, row + start) for row in range(100)) for start in range(3)]
    csv = {"Content-Type": "text/csv"}
    with serving() as (client, alice, _):
        sizes = [client.post("/v1/datasets", content=table, headers=alice | csv).json()["size"] for table in tables]
    with serving(owner_bytes=sum(sizes) + 10) as (client, alice, bob):
        new = b"x,y\n1.5,2\n2.5,3\n3.5,4\n"
        refused(client.post("/v1/datasets", content=new, headers=alice | csv))
        refused(client.post("/v1/jobs", json=LECTURE, headers=alice))
        again = client.post("/v1/datasets", content=tables[0], headers=alice | csv)
        assert again.status_code == 200  # it is there
        assert client.post("/v1/datasets", content=tables[0], headers=bob | csv).status_code == 201
