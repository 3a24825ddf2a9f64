"""Whatever the OpenAPI document allows, or does not: no call fails unforeseen, and each answers as documented."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.python.asgi import get_client
from workbench import LECTURE, FakeQueue, Migrated, claim, submit

from service.access.keys import create_key
from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, migrated: Migrated) -> Iterator[FastAPI]:
    """An application on a database with one trained job, which is in its `state`."""
    with migrated(request.param) as url:
        chosen = Settings(database_url=url, broker_url="redis+socket:///none.sock")
        database = Database(url)
        job_id = submit(database, LECTURE)
        mine = claim(database, job_id)
        assert mine
        run_attempt(Process(chosen, database, [Device("cpu", "the test's")], job_id, FakeQueue()), mine)
        app = create_app(chosen, FakeQueue())
        app.state.job_id = str(job_id)
        yield app
        database.dispose()


@pytest.fixture(scope="module")
def guarded(served: FastAPI) -> FastAPI:
    """The same, where everybody is asked for a key; that of an operator is in its `state`."""
    app = create_app(served.state.settings.model_copy(update={"auth": "required"}), FakeQueue())
    app.state.job_id = served.state.job_id
    app.state.key = create_key(served.state.database, "operator", "admin").text
    return app


CHOSEN = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
]
MOST, MOST_WITH_KEYS = 8, 1
bounded = settings(max_examples=MOST, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_call_answers_as_documented(served: FastAPI, mode: GenerationMode) -> None:
    """Calls on a trained job and on others, with what the document allows (positive), and with what it does not."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", served)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 10

    with get_client(served) as session:
        for operation in operations:
            if mode is GenerationMode.NEGATIVE and not (operation.body or [*operation.iter_parameters()]):
                continue  # nothing can be wrong with it
            _call(operation, mode, served, session, CHOSEN)


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_every_call_answers_as_documented_where_keys_are_required(guarded: FastAPI) -> None:
    """With an operator's key as the document says; and without it none of those that need one answers."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", guarded)
    with get_client(guarded) as session:
        session.headers["Authorization"] = f"Bearer {guarded.state.key}"
        for result in schema.get_all_operations():
            operation = result.ok()
            _call(operation, GenerationMode.POSITIVE, guarded, session, [*CHOSEN, "ignored_auth"], MOST_WITH_KEYS)


def _call(operation: Any, mode: GenerationMode, app: FastAPI, session: Any, names: list[str], most: int = MOST) -> None:
    checks = CHECKS.get_by_names(names)

    @settings(bounded, max_examples=most)
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    def call(case: schemathesis.Case, on_trained_job: bool) -> None:
        if on_trained_job and "job_id" in case.path_parameters and case.method != "DELETE":
            case.path_parameters["job_id"] = app.state.job_id
        case.call_and_validate(session=session, checks=checks)

    call()
