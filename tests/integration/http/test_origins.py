"""Who may come in: no pages of other sites, nobody by a name that is not ours; and what browsers are told."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from workbench import LECTURE, FakeQueue, problem_of, submit

from service.api.app import create_app
from service.api.guards.origins import is_known_host
from service.settings import Settings
from service.store.database import Database

OWN, FOREIGN, LISTED = "http://testserver", "https://evil.example", "https://notes.example"
CSV = b"hours,score\n1,52.5\n2,57\n"
Opened = Callable[..., TestClient]


@pytest.fixture
def opened(settings: Settings, database: Database, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A client of an application with other settings, at an address."""
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)

    def opened(address: str = OWN, **changes: object) -> TestClient:
        return TestClient(create_app(settings.model_copy(update=changes), queue), base_url=address)

    return opened


# pages of other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": OWN.replace("testserver", "testserver.evil.example")},
        {"Origin": OWN + ":8001"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": OWN + ":8001"},
        {"Sec-Fetch-Site": "cross-site", "Origin": FOREIGN},
        {"Sec-Fetch-Site": "something new"},
    ],
    ids=str,
)
def test_a_page_of_another_site_changes_nothing(
    client: TestClient, database: Database, headers: dict[str, str]
) -> None:
    job_id = submit(database, LECTURE)

    for answer in (
        client.post("/v1/jobs", json=LECTURE, headers=headers),
        client.post("/v1/datasets", files={"file": ("t.csv", CSV, "text/csv")}, headers=headers),
        client.post(f"/v1/jobs/{job_id}/cancel", headers=headers),
        client.delete(f"/v1/jobs/{job_id}", headers=headers),
    ):
        assert problem_of(answer, 403)["type"] == "/problems/foreign-page"
    assert [job["status"] for job in client.get("/v1/jobs", headers=headers).json()["data"]] == ["queued"]
    assert client.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": OWN}, {"Sec-Fetch-Site": "same-origin", "Origin": OWN}, {"Sec-Fetch-Site": "none"}],
    ids=str,
)
def test_our_own_pages_and_clients_that_are_no_browsers_may(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/jobs", json=LECTURE, headers=headers).status_code == 202
    form = {"file": ("t.csv", CSV, "text/csv")}
    assert client.post("/v1/datasets", files=form, headers=headers).status_code == 201


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"])
def test_text_and_the_fields_of_a_form_are_not_taken_for_a_table(client: TestClient, kind: str) -> None:
    answer = client.post("/v1/datasets?format=csv", content=CSV, headers={"Content-Type": kind})

    assert "application/octet-stream" in problem_of(answer, 415)["detail"]


def test_a_body_of_no_type_from_another_site_is_refused_for_where_it_comes_from(client: TestClient) -> None:
    answer = client.post("/v1/datasets?format=csv", content=CSV, headers={"Origin": "https://evil.example"})

    problem_of(answer, 403)
    assert client.post("/v1/datasets?format=csv", content=CSV).status_code == 201


def test_a_format_is_named_for_bytes_and_for_forms(client: TestClient) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    assert client.post("/v1/datasets?format=csv&name=table.txt", content=CSV, headers=kind).status_code == 201
    form = {"file": ("table.txt", CSV, "text/plain")}
    assert client.post("/v1/datasets?format=csv", files=form).status_code == 200


# pages that may


def test_a_page_of_a_listed_origin_may_use_the_api_and_read_what_it_answers(opened: Opened) -> None:
    client = opened(allowed_origins=(LISTED,))
    headers = {"Origin": LISTED, "Sec-Fetch-Site": "cross-site"}
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,idempotency-key"}

    allowed = client.options("/v1/jobs", headers=headers | asks)
    accepted = client.post("/v1/jobs", json=LECTURE, headers=headers | {"Idempotency-Key": "1"})

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == LISTED
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert accepted.status_code == 202
    assert accepted.headers["access-control-allow-origin"] == LISTED
    assert {"ETag", "Location", "Retry-After", "Link"} <= set(
        accepted.headers["access-control-expose-headers"].split(", ")
    )
    assert client.delete(accepted.headers["location"], headers=headers).status_code == 204


def test_an_event_stream_goes_to_pages_of_a_listed_origin(opened: Opened, database: Database) -> None:
    client = opened(allowed_origins=(LISTED,))
    job_id = submit(database, LECTURE)
    client.post(f"/v1/jobs/{job_id}/cancel")

    stream = client.get(f"/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream", "Origin": LISTED})

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["access-control-allow-origin"] == LISTED


def test_origins_that_are_not_listed_stay_outside(opened: Opened) -> None:
    client = opened(allowed_origins=(LISTED,))
    asks = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}

    assert "access-control-allow-origin" not in client.options("/v1/jobs", headers=asks).headers
    assert "access-control-allow-origin" not in client.get("/v1/jobs", headers={"Origin": FOREIGN}).headers
    problem_of(client.post("/v1/jobs", json=LECTURE, headers={"Origin": FOREIGN}), 403)


def test_every_origin_may_where_the_operator_says_so(opened: Opened) -> None:
    client = opened(allowed_origins=("*",))

    assert client.post("/v1/jobs", json=LECTURE, headers={"Origin": FOREIGN}).status_code == 202


# the names of the service


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "http://[::1]:8000"])
@pytest.mark.parametrize(
    "host",
    [
        *["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1"],
        *["localhost:evil", "evil@localhost", "localhost/evil", "localhost#evil", "[::1%25evil]", "localhost..", "::1"],
    ],
)
def test_a_service_on_loopback_does_not_go_by_other_names(opened: Opened, address: str, host: str) -> None:
    answer = opened(address).get("/v1/jobs", headers={"Host": host})

    assert problem_of(answer, 421)["type"] == "/problems/host-not-known"
    assert host not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "127.1.2.3", "0.0.0.0:80", "[::1]:8000", "a.localhost."]
)
def test_a_service_on_loopback_goes_by_the_names_of_loopback(opened: Opened, host: str) -> None:
    assert opened("http://127.0.0.1:8000").get("/livez", headers={"Host": host}).status_code == 200


def test_a_service_goes_by_the_names_that_it_is_told(opened: Opened) -> None:
    for address in ("http://127.0.0.1:8000", "http://10.1.2.3:8000"):
        client = opened(address, allowed_hosts=("slope.example", "*.internal"))
        for host in ("slope.example", "Slope.Example:443", "a.internal", "localhost:8000"):
            assert client.get("/livez", headers={"Host": host}).status_code == 200
        for host in ("evil.example", "internal", "xslope.example"):
            problem_of(client.get("/livez", headers={"Host": host}), 421)


def test_a_service_that_is_reached_from_outside_goes_by_its_address_and_without_names_by_any(opened: Opened) -> None:
    told = opened("http://10.1.2.3:8000", allowed_hosts=("slope.example",))
    assert told.get("/livez").status_code == 200
    assert opened("http://10.1.2.3:8000").get("/livez", headers={"Host": "evil.example"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Host", ("testserver", "evil.example")),
        ("Host", ("", "testserver")),
        ("Origin", (FOREIGN, OWN)),
        ("Sec-Fetch-Site", ("cross-site", "none")),
    ],
)
def test_a_request_that_says_twice_where_it_comes_from_or_goes_to_is_refused(
    client: TestClient, name: str, values: tuple[str, str]
) -> None:
    answer = client.post("/v1/jobs", json=LECTURE, headers=[(name, each) for each in values])

    assert name in problem_of(answer, 400)["detail"]
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_request_without_a_host_is_refused(client: TestClient) -> None:
    assert "Host" in problem_of(client.get("/livez", headers={"Host": ""}), 400)["detail"]


@given(host=st.text(st.characters(codec="latin-1"), max_size=300))
def test_whatever_the_host_it_is_known_or_not(host: str) -> None:
    assert is_known_host(host, "127.0.0.1", ()) in (True, False)
    assert is_known_host(host, "10.0.0.1", ())


def test_settings_take_lists_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOPE_ALLOWED_HOSTS", "Slope.example, *.internal,")
    monkeypatch.setenv("SLOPE_ALLOWED_ORIGINS", "https://notes.example")
    assert Settings().allowed_hosts == ("slope.example", "*.internal")
    assert Settings().allowed_origins == ("https://notes.example",)
    for wrong in ("notes.example", "https://notes.example/", "https://notes.example/page"):
        monkeypatch.setenv("SLOPE_ALLOWED_ORIGINS", wrong)
        with pytest.raises(ValidationError, match="is no origin"):
            Settings()


# what browsers are told


def test_no_answer_is_guessed_framed_or_followed(client: TestClient) -> None:
    for path in ("/v1/jobs", "/nowhere", "/livez", "/openapi.json", "/docs", "/v1/jobs?stauts=1"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_an_unforeseen_error_is_told_so_too(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.routes.job_lists.many.list_jobs", lambda *_, **__: 1 / 0)
    answer = TestClient(app, raise_server_exceptions=False).get("/v1/jobs")

    assert problem_of(answer, 500)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_a_page_runs_its_own_scripts_and_no_others(client: TestClient, page: str) -> None:
    answer = client.get(page)
    [policy] = answer.headers.get_list("content-security-policy")
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    inline = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)

    hashes = [f"'sha256-{b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in inline]
    assert scripts.split() == ["script-src", "'self'", *hashes]
    for address in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert address.startswith("/")
        assert client.get(address).status_code == 200
