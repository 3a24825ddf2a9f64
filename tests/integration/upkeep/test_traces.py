"""One trace from a request to the last flush of its job, over attempts that died; and none unless it is asked for."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from workbench import LECTURE, abandoned, claim, read, request

from service import tracing
from service.store.database import Database
from service.upkeep import lost_jobs
from worker.attempt import run_attempt
from worker.jobs.recorder import Recorder
from worker.process import Process


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[ReadableSpan]]:
    """What has been traced."""
    monkeypatch.setattr(tracing, "tracer", None)
    exporter = InMemorySpanExporter()
    tracing.trace_with(SimpleSpanProcessor(exporter), "test")
    return lambda: list(exporter.get_finished_spans())


class Died(BaseException):
    """What kills a process."""


def attempt(process: Process, job_id: UUID) -> Any:
    quick = process.settings.model_copy(update={"flush_seconds": 1e-9})
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    return mine, lambda: run_attempt(replace(process, settings=quick), mine)


def test_a_job_s_trace_is_one_over_an_attempt_that_died(
    client: TestClient,
    database: Database,
    process: Process,
    spans: Callable[[], list[ReadableSpan]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = UUID(client.post("/v1/jobs", json=request(engine="eager", epochs=30)).json()["id"])
    flush = Recorder.flush

    def flush_and_die(*arguments: Any) -> None:
        flush(*arguments)
        raise Died

    mine, train = attempt(process, job_id)
    with monkeypatch.context() as dying:
        dying.setattr(Recorder, "flush", flush_and_die)
        with pytest.raises(Died):
            train()
    assert lost_jobs.release_jobs(database, [abandoned(mine)], max_crashes=3) == [job_id]
    attempt(process, job_id)[1]()

    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"
    post, *others = [span for span in spans() if span.name != "GET /v1/jobs/{job_id}"]
    assert post.name == "POST /v1/jobs"
    assert {span.context.trace_id for span in others} == {post.context.trace_id}
    names = [span.name for span in others]
    assert names[:3] == ["queued", "claim", "flush"]
    assert names[-1] == "finish"
    assert names.count("queued") == names.count("claim") == 2
    claims = [span for span in others if span.name == "claim"]
    assert [span.attributes["slope.job.attempt"] for span in claims] == [1, 2]
    assert {span.parent.span_id for span in others if span.name == "flush"} == {span.context.span_id for span in claims}
    assert others[-1].parent.span_id == claims[1].context.span_id


def test_the_jobs_of_a_sweep_belong_to_its_request(
    client: TestClient, train_sweep: Callable[[dict[str, Any]], str], spans: Callable[[], list[ReadableSpan]]
) -> None:
    train_sweep(request() | {"grid": {"learning_rate": [0.01, 0.02]}})

    [post] = [span for span in spans() if span.name == "POST /v1/sweeps"]
    [claimed] = [span for span in spans() if span.name == "claim"]
    assert claimed.parent.span_id == post.context.span_id


def test_a_request_goes_on_with_the_trace_that_it_names_and_says_how_it_was_answered(
    client: TestClient, spans: Callable[[], list[ReadableSpan]]
) -> None:
    client.get("/nowhere?key=a-secret", headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    [span] = spans()

    assert f"{span.context.trace_id:032x}" == "1" * 32
    assert span.name == "GET none"
    assert span.attributes == {
        "http.request.method": "GET",
        "url.path": "/nowhere",
        "http.route": "none",
        "http.response.status_code": 404,
    }
    assert span.resource.schema_url == span.instrumentation_scope.schema_url == tracing.SCHEMA


def test_without_traces_a_job_says_nothing_of_them(
    client: TestClient, database: Database, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    assert read(database, trained(LECTURE)).traceparent is None


def test_no_part_of_opentelemetry_that_makes_spans_is_imported_where_it_is_off() -> None:
    """Its API is imported by redis-py wherever it is installed."""
    program = (
        "import sys; import service.api.app, worker.tasks; from service.settings import Settings;"
        "from service.tracing import begin_tracing; begin_tracing(Settings(), 'test');"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
