"""What Prometheus scrapes: numbers that are right, labels that are few, and no word of anybody's."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from uuid_utils.compat import uuid7
from workbench import LECTURE, MANY_ROWS, FakeQueue, change, claim, claimed, request, submit, submit_sweep

from service.api.app import create_app
from service.monitoring.families import FAMILIES
from service.settings import Settings
from service.store import workers
from service.store.database import Database, now
from service.store.tables import Job, Worker
from worker.attempt import run_attempt
from worker.process import Process
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.reaper import Reaper


def scrape(client: TestClient) -> dict[str, Metric]:
    client.app.state.monitored._values._until = 0.0  # type: ignore[attr-defined]  # what was seen a moment ago
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {metric.name: metric for metric in text_string_to_metric_families(answer.text)}


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float:
    """Of one sample; 0 where there is none."""
    samples = [each for metric in metrics.values() for each in metric.samples if each.name == name]
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


def requests(client: TestClient, **labels: str) -> float:
    return value(scrape(client), "slope_http_request_seconds_count", **labels)


@pytest.fixture
def report(process: Process) -> Callable[[], None]:
    """Gives a sign of life of the worker, with what its processes have done."""
    reaper = Reaper(process, 1, BrokerMonitor(process, lambda: True))
    return reaper.run_once


def test_requests_are_counted_by_method_template_and_class_of_status(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{uuid4()}", f"/v1/jobs/{uuid4()}", "/v1/jobs?stauts=1"):
        client.get(path)
    client.head(f"/v1/jobs/{job_id}")

    assert requests(client, method="GET", route="/v1/jobs/{job_id}", status="2xx") == 1
    assert requests(client, method="GET", route="/v1/jobs/{job_id}", status="4xx") == 2
    assert requests(client, method="HEAD", route="/v1/jobs/{job_id}", status="2xx") == 1
    assert requests(client, method="GET", route="/v1/jobs", status="4xx") == 1


def test_addresses_and_methods_that_nobody_knows_are_one_label_each(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/nowhere/{number}")
        client.request(f"MADE{number}", "/livez")
    client.get("/livez", headers={"Host": ""})  # refused before there is a route

    assert requests(client, method="GET", route="none", status="4xx") == 6
    assert requests(client, method="other") == 5


def test_a_request_s_seconds_are_in_the_buckets_from_its_own_on(client: TestClient) -> None:
    client.get("/livez")
    samples = scrape(client)["slope_http_request_seconds"].samples
    buckets = [each for each in samples if each.labels["route"] == "/livez"]
    counts = [each.value for each in buckets if each.name.endswith("_bucket")]
    [seconds] = [each.value for each in buckets if each.name.endswith("_sum")]

    assert counts == sorted(counts)
    assert counts[-1] == 1
    assert seconds > 0


def test_jobs_that_wait_are_counted_by_the_kind_of_device_with_the_age_of_the_oldest(
    client: TestClient, database: Database
) -> None:
    submit(database)
    old = submit(database)
    submit(database, request() | {"device": "cpu"})
    claimed(database)

    def age(session: Any) -> None:
        session.execute(update(Job).where(Job.id == old).values(created_at=now(session) - timedelta(hours=1)))

    change(database, age)
    seen = scrape(client)

    assert value(seen, "slope_jobs", status="queued", device="auto") == 2
    assert value(seen, "slope_jobs", status="queued", device="cpu") == 1
    assert value(seen, "slope_jobs", status="running", device="auto") == 1
    assert value(seen, "slope_jobs", status="queued", device="cuda") == 0
    assert 3600 <= value(seen, "slope_oldest_queued_seconds", device="auto") < 3700
    assert value(seen, "slope_oldest_queued_seconds", device="cpu") < 100
    assert {each.labels["device"] for each in seen["slope_oldest_queued_seconds"].samples} == {"auto", "cpu", "cuda"}


def test_what_a_worker_has_done_is_told_with_its_sign_of_life(
    client: TestClient, trained: Callable[[dict[str, Any]], UUID], report: Callable[[], None]
) -> None:
    report()  # registers
    trained(LECTURE)
    trained(request(epochs=7))
    trained(request(learning_rate=1e9, epochs=1000))
    report()
    seen = scrape(client)

    assert value(seen, "slope_jobs_claimed_total") == 3
    assert value(seen, "slope_jobs_ended_total", status="succeeded") == 2
    assert value(seen, "slope_jobs_ended_total", status="failed") == 1
    assert value(seen, "slope_flushes_total") >= 3
    assert value(seen, "slope_flush_seconds_total") > 0
    assert value(seen, "slope_epochs_total") >= 17
    assert value(seen, "slope_steps_total") - value(seen, "slope_epochs_total") == 20  # the lecture's: three an epoch
    assert value(seen, "slope_workers", device="cpu") == 1
    assert value(seen, "slope_worker_slots", device="cpu") == 1
    assert value(seen, "slope_workers", device="cuda") == 0


def test_jobs_that_train_together_are_counted_each(
    client: TestClient, database: Database, train_groups: Callable[[str], None], report: Callable[[], None]
) -> None:
    report()
    train_groups(str(submit_sweep(database, request(epochs=5) | {"grid": {"learning_rate": [0.01, 0.02, 0.03]}})))
    report()
    seen = scrape(client)

    assert value(seen, "slope_jobs_claimed_total") == 3
    assert value(seen, "slope_jobs_ended_total", status="succeeded") == 3
    assert value(seen, "slope_epochs_total") == value(seen, "slope_steps_total") == 15


def test_what_the_reaper_does_and_leases_that_are_lost_are_counted(
    client: TestClient, database: Database, process: Process, report: Callable[[], None]
) -> None:
    report()
    mine = claim(database, submit(database), worker_id=process.worker_id, process_id=4711)
    assert mine
    report()  # process 4711 is dead
    run_attempt(process, mine)  # and yet it writes
    report()
    seen = scrape(client)

    assert value(seen, "slope_reaper_actions_total", action="released") == 1
    assert value(seen, "slope_leases_lost_total") == 1


def test_the_sums_never_fall_when_a_worker_is_forgotten(client: TestClient, database: Database) -> None:
    def row(worker_id: UUID) -> Worker:
        return Worker(id=worker_id, hostname="here", process_id=7, version="1", devices=[], slots=1)

    def done(worker_id: UUID, epochs: float) -> None:
        change(database, lambda session: workers.add_worker(session, row(worker_id)))
        change(database, lambda session: workers.touch_worker(session, worker_id, counts={"epochs": epochs}))
        old = update(Worker).values(seen_at=Worker.seen_at)
        change(database, lambda session: session.execute(old.values(seen_at=now(session) - timedelta(days=2))))

    for epochs in (100, 20, 3):
        done(uuid7(), epochs)

    assert len(change(database, workers.list_workers)) == 1
    assert value(scrape(client), "slope_epochs_total") == 123


def test_a_database_that_is_away_is_said_and_no_more(tmp_path: Any) -> None:
    url = f"postgresql://x@/x?host={tmp_path}/gone"
    app = create_app(Settings(database_url=url, broker_url="redis+socket:///none.sock"), FakeQueue())
    with TestClient(app) as client:
        seen = scrape(client)

    assert value(seen, "slope_database_up") == 0
    assert "slope_jobs" not in seen
    assert seen["slope_http_requests_in_progress"].samples


def test_every_metric_is_sent_and_none_that_is_not_described(
    client: TestClient, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    trained(LECTURE)
    sent = scrape(client)

    assert {name for name in sent if name.startswith("slope_")} == {each.name for each in FAMILIES}
    for family in FAMILIES:
        assert sent[family.name].type == family.kind
        for sample in sent[family.name].samples:
            assert set(family.labels) == sample.labels.keys() - {"le"}


def test_no_label_holds_an_id_a_name_or_anything_else_of_a_client_s(
    client: TestClient, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    job_id = trained(LECTURE | {"name": "quarterly-secret"} | {"metadata": {"owner": "ada"}})
    client.put("/v1/aliases/beloved", json={"job_id": str(job_id)})
    client.get("/v1/jobs/beloved", headers={"X-Request-ID": "mine-123"})
    client.get("/v1/jobs?name=quarterly-secret")
    text = client.get("/metrics").text

    for word in (str(job_id), "quarterly-secret", "ada", "beloved", "mine-123"):
        assert word not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)


def test_scrapers_get_the_format_that_they_ask_for(client: TestClient) -> None:
    plain = client.get("/metrics")
    asked = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})

    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")


def test_the_size_of_datasets_is_looked_at(client: TestClient, database: Database) -> None:
    submit(database, MANY_ROWS)

    assert value(scrape(client), "slope_dataset_bytes") > 8 * 501


@pytest.mark.parametrize("given", ["abc-1.2_3", "a" * 128])
def test_an_answer_has_the_id_that_its_request_brings(client: TestClient, given: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "a\tb", "é", "<script>", 'a"b'])
def test_an_id_that_is_none_is_replaced(client: TestClient, given: str) -> None:
    ids = {client.get("/livez", headers={"X-Request-ID": given.encode()}).headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in ids)


def test_refusals_have_an_id_as_well(client: TestClient) -> None:
    for answer in (client.get("/nowhere"), client.get("/livez", headers={"Host": ""}), client.post("/livez")):
        assert answer.status_code >= 400
        assert answer.headers["x-request-id"]
