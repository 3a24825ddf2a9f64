"""The door of a service that asks everybody for a key."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import func, select, update
from workbench import LECTURE, FakeQueue, at_once, change, problem_of, submit

from service.access import keys
from service.access.callers import Scope
from service.access.door import Door
from service.access.key_text import PresentedKey, new_key_text
from service.access.keys import NewKey
from service.api.app import create_app
from service.api.dashboard import Dashboard
from service.errors import KeyHasEnded, KeyNameTaken, KeyNotValid, ServiceError
from service.settings import Settings
from service.store.database import Database
from service.store.owners.keys import KnownKey, select_entries
from service.store.tables import AccessKey, Dataset, Job
from service.upkeep import forgetting

Headers = dict[str, str]


@pytest.fixture
def app(settings: Settings, queue: FakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    return create_app(settings.model_copy(update={"auth": "required"}), queue)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def key_of(database: Database, name: str, scope: Scope = "train", **given: str) -> Headers:
    return {"Authorization": f"Bearer {keys.create_key(database, name, scope, **given).text}"}


def test_a_key_has_256_bits_and_a_checksum_that_tells_every_typist_s_error() -> None:
    text = new_key_text()

    assert PresentedKey.parse(text).id in text
    assert len(text) == 68
    for place in range(6, len(text)):
        for other in "0Zz_":
            if text[place] != other:
                with pytest.raises(KeyNotValid):
                    PresentedKey.parse(text[:place] + other + text[place + 1 :])


def test_a_job_is_its_owner_s_alone(client: TestClient, database: Database) -> None:
    alice, bob, operator = key_of(database, "alice"), key_of(database, "bob"), key_of(database, "operator", "admin")

    path = client.post("/v1/jobs", json=LECTURE, headers=alice).headers["Location"]

    assert client.get(path, headers=alice).status_code == 200
    assert client.get(path, headers=operator).status_code == 200
    for address in (path, f"{path}/epochs", f"{path}/events"):
        assert problem_of(client.get(address, headers=bob), 404)["type"] == "/problems/job-not-found"
    assert [len(client.get("/v1/jobs", headers=each).json()["data"]) for each in (alice, bob, operator)] == [1, 0, 1]


def test_an_answer_that_is_kept_goes_to_no_other_owner(client: TestClient, database: Database) -> None:
    alice, bob = key_of(database, "alice"), key_of(database, "bob")
    path = client.post("/v1/jobs", json=LECTURE, headers=alice).headers["Location"]
    change(database, lambda session: session.execute(update(Job).values(status="running")))

    kept = [client.get(path, headers=alice) for _ in range(2)]

    assert client.app.state.job_responses._kept  # type: ignore[attr-defined]
    assert kept[0].content == kept[1].content
    for asked in ({}, {"If-None-Match": kept[0].headers["ETag"]}, {"Prefer": "wait=1"}):
        problem_of(client.get(path, headers=bob | asked), 404)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_cache_between_keeps_what_a_key_has_opened(client: TestClient, database: Database) -> None:
    """A browser keeps it, and asks each time whether it is still so: another may have signed in there."""
    alice = key_of(database, "alice")
    path = client.post("/v1/jobs", json=LECTURE, headers=alice).headers["Location"]

    answer = client.get(path, headers=alice)
    again = client.get(path, headers=alice | {"If-None-Match": answer.headers["ETag"]})

    assert again.status_code == 304
    for each in (answer, again, client.get("/v1/jobs", headers=alice)):
        assert each.headers["Cache-Control"] == "private, no-cache"


def test_a_page_of_an_origin_that_is_listed_may_ask_with_a_key(
    settings: Settings, queue: FakeQueue, database: Database
) -> None:
    origin = {"Origin": "https://notes.example"}
    chosen = settings.model_copy(update={"auth": "required", "allowed_origins": ("https://notes.example",)})
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with TestClient(create_app(chosen, queue)) as client:
        allowed = client.options("/v1/jobs", headers=origin | preflight)
        refused = client.get("/v1/jobs", headers=origin)
        taken = client.get("/v1/jobs", headers=origin | key_of(database, "alice"))

    assert [each.status_code for each in (allowed, refused, taken)] == [200, 401, 200]
    assert {each.headers["access-control-allow-origin"] for each in (allowed, refused, taken)} == {origin["Origin"]}


def test_a_second_key_of_an_owner_sees_the_same(client: TestClient, database: Database) -> None:
    alice, reader = key_of(database, "alice"), key_of(database, "screen", "read", owner="alice")

    path = client.post("/v1/jobs", json=LECTURE, headers=alice).headers["Location"]

    assert client.get(path, headers=reader).status_code == 200
    assert problem_of(client.post(f"{path}/cancel", headers=reader), 403)["type"] == "/problems/scope-too-small"


UNASKED = [("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/no/such"), ("PUT", "/v1"), ("OPTIONS", "/v1/jobs")]


def test_without_a_key_nothing_is_looked_at(client: TestClient) -> None:
    for method, path in UNASKED:
        answer = client.request(method, path, content=b"{" if method == "POST" else None)
        assert problem_of(answer, 401)["type"] == "/problems/key-missing"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.get("/v2").status_code == 401
    for path in ("/livez", "/readyz", "/openapi.json", "/docs", "/v2/health/ready"):
        assert client.get(path).status_code == 200


def test_an_admin_makes_rotates_and_revokes_keys(client: TestClient, database: Database) -> None:
    operator = key_of(database, "operator", "admin")

    made = client.post("/v1/keys", json={"name": "alice", "scope": "train"}, headers=operator)
    alice = {"Authorization": f"Bearer {made.json()['key']}"}
    rotated = client.post(f"{made.headers['Location']}/rotate?overlap_seconds=0", headers=operator)
    again = {"Authorization": f"Bearer {rotated.json()['key']}"}

    assert made.status_code == rotated.status_code == 201
    assert "key" not in client.get(made.headers["Location"], headers=operator).json()
    assert problem_of(client.get("/v1/jobs", headers=alice), 401)["detail"].startswith("The key has expired")
    assert client.get("/v1/session", headers=again).json()["owner"] == "alice"
    assert client.post(f"{rotated.headers['Location']}/revoke", headers=operator).json()["state"] == "revoked"
    assert problem_of(client.get("/v1/jobs", headers=again), 401)["detail"].startswith("The key was revoked")
    assert problem_of(client.post(f"{made.headers['Location']}/rotate", headers=operator), 409)


def test_a_key_ends_when_its_maker_says(client: TestClient, database: Database) -> None:
    operator = key_of(database, "operator", "admin")
    wanted = {"name": "alice", "expires_at": "2999-12-01T12:00:00+02:00"}

    made = client.post("/v1/keys", json=wanted, headers=operator)

    assert (made.status_code, made.json()["expires_at"]) == (201, "2999-12-01T10:00:00Z")


@pytest.mark.parametrize(
    "moment", ["32503680000", 32503680000, "2999-12-01", "2999-12-01T12:00:00", "9999-12-31T23:59:59-12:00"], ids=repr
)
def test_what_is_no_time_with_a_zone_is_no_end_of_a_key(
    client: TestClient, database: Database, moment: str | float
) -> None:
    wanted = {"name": "alice", "expires_at": moment}

    problem = problem_of(client.post("/v1/keys", json=wanted, headers=key_of(database, "operator", "admin")), 422)

    [error] = problem["errors"]
    assert error["pointer"] == "/expires_at"
    assert not error["detail"].startswith("Value error")


def test_a_rotated_key_lets_in_until_the_overlap_ends(client: TestClient, database: Database) -> None:
    old = keys.create_key(database, "alice", "read")

    new = keys.rotate_key(database, old.key.id)

    for text in (old.text, new.text):
        assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    with pytest.raises(KeyHasEnded):
        keys.rotate_key(database, old.key.id)
    with pytest.raises(KeyNameTaken):
        keys.create_key(database, "alice", "read")


def test_of_many_who_make_or_rotate_a_key_at_the_same_time_one_does(database: Database) -> None:
    def tried(action: Callable[[], NewKey]) -> NewKey | type[Exception]:
        try:
            return action()
        except ServiceError as error:
            return type(error)

    made = at_once(4, lambda _: tried(lambda: keys.create_key(database, "alice", "read")))
    [first] = [each for each in made if isinstance(each, NewKey)]
    rotated = at_once(4, lambda _: tried(lambda: keys.rotate_key(database, first.key.id)))
    [second] = [each for each in rotated if isinstance(each, NewKey)]

    assert [made.count(KeyNameTaken), rotated.count(KeyHasEnded)] == [3, 3]
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AccessKey)) == 2
        assert keys.get_key(session, first.key.id).replaced_by == second.key.id


def test_whose_something_is_is_told_where_keys_are_asked_for(client: TestClient, database: Database) -> None:
    alice, operator = key_of(database, "alice"), key_of(database, "operator", "admin")
    csv = {"content": "x,y\n1,2\n2,4\n3,7\n", "headers": alice | {"Content-Type": "text/csv"}}
    sweep = {"dataset": LECTURE["dataset"], "grid": {"learning_rate": [0.1, 0.01]}}
    made = [
        client.post("/v1/jobs", json=LECTURE, headers=alice),
        client.post("/v1/sweeps", json=sweep, headers=alice),
        client.post("/v1/datasets", **csv),
    ]
    for answer in made:
        path = answer.headers["Location"]
        told = [client.get(each, headers=operator).json() for each in (path, path.rpartition("/")[0])]
        assert [answer.json()["owner"], told[0]["owner"], told[1]["data"][0]["owner"]] == ["alice"] * 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_belongs_to_nobody_says_nothing_of_an_owner(settings: Settings, queue: FakeQueue) -> None:
    with TestClient(create_app(settings, queue)) as client:
        job = client.post("/v1/jobs", json=LECTURE)
        told = [job.json(), client.get(job.headers["Location"]).json(), *client.get("/v1/jobs").json()["data"]]
    assert ["owner" in each for each in told] == [False] * 3


def test_a_key_is_trusted_for_a_second_from_the_question_however_long_the_answer_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be revoked while the answer is on its way."""
    text, clock = new_key_text(), [0.0]
    shown = PresentedKey.parse(text)
    known = KnownKey(shown.id, "alice", "read", shown.digest, is_revoked=False, has_expired=False, use_is_old=False)

    class Slow:
        def query(self, *_: object) -> KnownKey:
            clock[0] += 0.6
            return known

    monkeypatch.setattr("service.access.door.monotonic", lambda: clock[0])
    door = Door(cast(Database, Slow()))
    door.admit(shown, door.look_up(shown))

    assert door.recall(shown)
    clock[0] += 0.5
    assert door.recall(shown) is None


def test_every_change_is_in_the_log_of_its_key(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, made = key_of(database, "operator", "admin"), keys.create_key(database, "alice", "train")
    alice = {"Authorization": f"Bearer {made.text}"}

    path = client.post("/v1/jobs", json=LECTURE, headers=alice).headers["Location"]
    client.get(path, headers=alice)
    client.post("/v1/plan", json=LECTURE, headers=alice)
    client.delete(path, headers=alice)
    client.post("/v1/keys", json={"name": "more"}, headers=alice)

    job_id = path.rpartition("/")[2]
    told = client.get(f"/v1/keys/{made.key.id}/log", headers=operator).json()["data"]
    assert [(each["method"], each["address"], each["subject"], each["status"]) for each in told] == [
        ("POST", "/v1/keys", None, 403),
        ("DELETE", path, job_id, 204),
        ("POST", "/v1/jobs", job_id, 202),
    ]
    monkeypatch.setattr(forgetting, "_MOST", 2)
    assert forgetting.forget_deeds(database, timedelta()) == 3


def test_a_change_that_an_error_cuts_short_is_in_the_log_too(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keys.create_key(database, "alice", "train")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("service.jobs.jobs.delete_job", fail)
    with TestClient(app, raise_server_exceptions=False) as client:
        key = {"Authorization": f"Bearer {made.text}"}
        path = client.post("/v1/jobs", json=LECTURE, headers=key).headers["Location"]
        assert client.delete(path, headers=key).status_code == 500
    with database.reading() as session:
        entries = select_entries(session, [made.key.id], before=None, limit=10)
    assert [(each.method, each.status) for each in entries] == [("DELETE", 500), ("POST", 202)]


def test_a_scraper_s_token_reads_the_metrics_and_nothing_else(
    settings: Settings, queue: FakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    known = settings.model_copy(update={"auth": "required", "metrics_token": SecretStr("scrapers-own-word")})
    with TestClient(create_app(known, queue)) as client:
        token = {"Authorization": "Bearer scrapers-own-word"}
        asked = {
            name: client.get("/metrics", headers=key).status_code
            for name, key in {
                "nobody": {},
                "another word": {"Authorization": "Bearer scrapers-own-wor"},
                "read": key_of(database, "reader", "read"),
                "admin": key_of(database, "operator", "admin"),
                "token": token,
            }.items()
        }
        assert asked == {"nobody": 401, "another word": 401, "read": 403, "admin": 200, "token": 200}
        assert client.get("/v1/jobs", headers=token).status_code == 401


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_stream_of_events_ends_soon_after_its_key_was_revoked(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of it waits, and nothing else would end it."""
    monkeypatch.setattr("service.api.routes.events.KEEP_ALIVE_SECONDS", 0.01)
    monkeypatch.setattr("service.api.guards.access.TRUSTED_SECONDS", 0.0)
    alice = keys.create_key(database, "alice", "read")
    job_id = submit(database.of_owner("alice", sees_all=False), LECTURE)
    told: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        told.append(message)
        if len(told) == 10:
            keys.revoke_key(database, alice.key.id)
            app.state.door.forget(alice.key.id)

    async def listen() -> None:
        shown = [(b"authorization", f"Bearer {alice.text}".encode()), (b"accept", b"text/event-stream")]
        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": f"/v1/jobs/{job_id}/events"}
        rest = {"query_string": b"", "headers": [(b"host", b"localhost"), *shown], "server": ("localhost", 80)}
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app(scope | rest, receive, send), 30)

    asyncio.run(listen())

    assert told[0]["status"] == 200
    assert told[-1] == {"type": "http.response.body"}
    assert len(told) == 11


def test_a_use_of_a_key_is_noted_and_not_with_every_request(client: TestClient, database: Database) -> None:
    made = keys.create_key(database, "alice", "read")
    moments = []

    for _ in range(3):
        client.get("/v1/jobs", headers={"Authorization": f"Bearer {made.text}"})
        client.app.state.door.forget(made.key.id)  # type: ignore[attr-defined]
        with database.reading() as session:
            moments.append(keys.get_key(session, made.key.id).used_at)

    assert moments[0] is not None
    assert len(set(moments)) == 1


def test_a_browser_signs_in_with_a_key_and_out(client: TestClient, database: Database) -> None:
    made = keys.create_key(database, "alice", "train")

    signed = client.post("/v1/session", json={"key": made.text}, headers={"Origin": "https://testserver"})
    cookie = signed.headers["set-cookie"]

    assert signed.json() == {"owner": "alice", "scope": "train", "key_id": made.key.id}
    assert {"httponly", "samesite=strict", "secure", "path=/"} <= {each.strip().lower() for each in cookie.split(";")}
    assert made.text not in signed.text
    kept = {"Cookie": f"slope_key={made.text}"}
    assert client.get("/v1/jobs", headers=kept).status_code == 200
    assert 'slope_key=""' in client.delete("/v1/session").headers["set-cookie"]
    assert problem_of(client.post("/v1/session", json={"key": f"{made.text}0"}), 401)


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": "http://testserver"}, 202),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://elsewhere"}, 403),
        ({}, 403),
    ],
    ids=["own page", "own origin", "sibling", "no page", "other origin", "silent"],
)
def test_a_cookie_changes_something_only_from_a_page_of_the_service(
    client: TestClient, database: Database, says: Headers, status: int
) -> None:
    kept = {"Cookie": f"slope_key={keys.create_key(database, 'alice', 'train').text}"}
    assert client.post("/v1/jobs", json=LECTURE, headers=kept | says).status_code == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("slope_key={key}", 200),
        ('a=[b]; x; c="; expires=5; slope_key={key}', 200),
        ("other_slope_key=x; slope_key={key}; slope_key2=y", 200),
        ('slope_key="' + 20_000 * "\\a" + '"', 401),  # takes Python's own parser the square of its length
        ("slope_key={key}; slope_key=x", 401),
        ("slope_key=x; slope_key={key}", 401),
    ],
    ids=["alone", "among odd ones", "among similar ones", "long", "and another", "behind another"],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_key_is_found_in_a_cookie_whatever_other_sites_have_set_and_two_are_refused(
    client: TestClient, database: Database, line: str, status: int
) -> None:
    key = key_of(database, "alice")["Authorization"].removeprefix("Bearer ")

    assert client.get("/v1/session", headers={"Cookie": line.format(key=key)}).status_code == status


def test_two_owners_may_use_the_same_names_and_idempotency_keys(client: TestClient, database: Database) -> None:
    owners = [key_of(database, name) for name in ("alice", "bob")]
    found = []

    for owner in owners:
        given = owner | {"Idempotency-Key": "one"}
        csv = {"content": "x,y\n1,2\n2,4\n3,7\n", "headers": owner | {"Content-Type": "text/csv"}}
        uploads = [client.post("/v1/datasets?name=cars", **csv) for _ in range(2)]
        named = LECTURE | {"dataset": {"name": "cars"}}
        job = client.post("/v1/jobs", json=named, headers=given)
        client.put("/v1/aliases/best", json={"job": job.json()["id"]}, headers=owner)
        found.append((uploads[0].json()["id"], job.json()["id"]))
        assert [each.status_code for each in uploads] == [201, 200]
        assert "Idempotency-Replayed" not in job.headers
        assert job.json()["dataset"]["id"] == uploads[0].json()["id"]
        assert client.get("/v1/jobs/best", headers=owner).json()["id"] == job.json()["id"]

    assert len({each for pair in found for each in pair}) == 4
    for dataset_id, _ in found:
        for other, expected in zip(owners, found, strict=True):
            status = client.get(f"/v1/datasets/{dataset_id}", headers=other).status_code
            assert status == (200 if expected[0] == dataset_id else 404)


def test_numbers_that_two_owners_have_stay_until_the_last_has_deleted_them(
    client: TestClient, database: Database
) -> None:
    owners = [key_of(database, name) for name in ("alice", "bob")]
    table = "x,y\n" + "".join(f"{n},{2 * n}\n" for n in range(600))  # too many for a row: an object has them
    csv = {"Content-Type": "text/csv"}
    ids = [client.post("/v1/datasets", content=table, headers=owner | csv).json()["id"] for owner in owners]
    with database.reading() as session:
        assert len(set(session.scalars(select(Dataset.object_id)))) == 1

    assert client.delete(f"/v1/datasets/{ids[1]}", headers=owners[0]).status_code == 404
    assert client.delete(f"/v1/datasets/{ids[0]}", headers=owners[0]).status_code == 204

    rows = client.get(f"/v1/datasets/{ids[1]}/rows?after=598", headers=owners[1]).json()["data"]
    assert rows == [{"x": 599.0, "y": 1198.0}]


def test_a_dataset_that_the_operator_s_job_learnt_from_is_used_also_for_its_owner(
    client: TestClient, database: Database
) -> None:
    alice, operator = key_of(database, "alice"), key_of(database, "operator", "admin")
    made = client.post("/v1/datasets", content="x,y\n1,2\n2,4\n", headers=alice | {"Content-Type": "text/csv"})
    wanted = {"dataset": {"id": made.json()["id"]}}
    job = client.post("/v1/jobs", json=wanted, headers=operator).headers["Location"]
    client.put("/v1/aliases/watched", json={"job": job.rpartition("/")[2]}, headers=operator)

    refused = client.delete(made.headers["Location"], headers=alice)

    assert problem_of(refused, 409)["type"] == "/problems/dataset-is-used"
    assert client.get(job, headers=alice).status_code == 404
    assert client.get("/v1/jobs/watched", headers=operator).status_code == 200
    assert client.get("/v1/jobs/watched", headers=alice).status_code == 422  # no id, and no name of hers


def test_the_database_holds_no_key(database: Database) -> None:
    text = keys.create_key(database, "alice", "read").text
    with database.reading() as session:
        kept = [str(value) for row in session.execute(select(AccessKey.__table__)) for value in row]
    assert not [value for value in kept if text[20:] in value]


def test_a_report_is_made_of_what_its_reader_may_see(
    app: FastAPI, client: TestClient, database: Database, tmp_path: Path
) -> None:
    for name in ("index.html", "report.html"):
        (tmp_path / name).write_text("{answers}")
    app.state.dashboard = Dashboard(tmp_path)
    alice = key_of(database, "alice")
    path = client.post("/v1/jobs", json=LECTURE, headers=alice).headers["Location"]

    assert path in client.get(f"{path}/report", headers=alice).json()
