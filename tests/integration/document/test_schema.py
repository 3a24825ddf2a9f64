"""Whatever the OpenAPI document allows, or does not: no call fails unforeseen, and each answers as documented.

Schemathesis makes the calls, with all of its checks: by chance (fuzzing), and in chains on what those before have made
(stateful). CONTRIBUTING.md says how it makes many more of them, also at the edges of every schema (coverage).
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.meta import TestPhase
from schemathesis.schemas import BaseSchema
from workbench import LECTURE, FakeQueue, Migrated, claim, submit

from service.access.keys import create_key, get_key
from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database
from service.store.jobs.jobs import find_job
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

Json = dict[str, Any]

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "6"))
"""Calls of each operation by chance, and chains of calls."""
SEED = int(os.environ.get("CONTRACT_SEED", "1"))
SECONDS = int(os.environ.get("CONTRACT_SECONDS", "0"))
"""Go on with other calls for so long; 0: have the calls made once."""
PHASES = os.environ.get("CONTRACT_PHASES", "fuzzing,stateful").split(",")
LEAST = 0 if SECONDS else 350
"""Cases of a run that has all calls made: with keys and without, and on both databases, a thousand."""

NO_SCHEMA_SAYS = {
    "submit_job": "as many y as x, and that an optimizer goes with its batches",
    "plan_job": "as submit_job",
    "submit_sweep": "as submit_job",
    "rerun_job": "what the job is with the changes",
    "upload_dataset": "a table in CSV, or in a binary format",
    "draw_expression": "a formula",
    "create_webhook": "an address of the internet",
    "change_webhook": "as create_webhook",
    "create_key": "a time that is to come",
    "sign_in": "a key that there is",
    "put_alias": "the id of a job that there is",
    "list_jobs": "a cursor of the same order",
    "cancel_jobs": "at least one filter",
    "delete_jobs": "as cancel_jobs",
    "get_sweep": "a cursor of the same ranking",
    "list_events": "types that the list has",
    "list_recorded_steps": "a cursor",
    "list_epochs": "names of the columns",
    "list_rows": "that a sample is no page",
    "get_step_graph": "features that the data has",
    "get_statistics": "the name of a column",
    "get_surface": "names of parameters",
    "get_surface_chart": "as get_surface",
    "get_path": "folds for as many rows",
    "get_influence": "rows enough",
    "predict": "points of as many features as the model has",
    "invoke": "as predict",
    "infer": "as predict",
    **dict.fromkeys(
        ("get_job", "describe_job", "pause_job", "resume_job", "cancel_job", "delete_job"), "the ETag of If-Match"
    ),
}
"""What a valid request of an operation needs besides what its schema says: it is refused by 4xx all the same."""


@dataclass
class Served:
    """An application, of which some things are there again when a call has taken them away."""

    app: FastAPI
    asks_for_keys: bool
    _job_id: UUID | None = None
    _key: tuple[str, str] = ("", "")

    @property
    def database(self) -> Database:
        database: Database = self.app.state.database
        return database

    def trained_job(self) -> str:
        """The id of a job that has ended, of the operator where keys are asked for."""
        with self.database.reading() as session:
            is_there = self._job_id is not None and find_job(session, self._job_id) is not None
        if not is_there:
            self._job_id = self._train()
        return str(self._job_id)

    def _train(self) -> UUID:
        own = self.database.of_owner("operator" if self.asks_for_keys else "", sees_all=False)
        job_id = submit(own, LECTURE)
        mine = claim(self.database, job_id)
        assert mine
        devices = [Device("cpu", "the test's")]
        run_attempt(Process(self.app.state.settings, self.database, devices, job_id, FakeQueue()), mine)
        return job_id

    def valid_key(self) -> str:
        """An operator's, which is made anew when it has been revoked or replaced."""
        key_id, text = self._key
        if key_id:
            with self.database.reading() as session:
                key = get_key(session, key_id)
                if key.revoked_at is None and key.expires_at is None:
                    return text
        made = create_key(self.database, f"operator-{os.urandom(4).hex()}", "admin", owner="operator")
        self._key = made.key.id, made.text
        return made.text


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, migrated: Migrated) -> Iterator[Served]:
    asks_for_keys = request.param.endswith(" with keys")
    with migrated(request.param.partition(" ")[0]) as url:
        auth = "required" if asks_for_keys else "off"
        app = create_app(Settings(database_url=url, broker_url="redis+socket:///none.sock", auth=auth), FakeQueue())
        yield Served(app, asks_for_keys)
        app.state.database.dispose()


@pytest.mark.timeout(300 + 2 * SECONDS)
@pytest.mark.parametrize("served", ["sqlite", "postgresql", "sqlite with keys"], indirect=True)
def test_every_call_answers_as_documented(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    counts, failures = _run(_schema(served))

    with capsys.disabled():
        print(f"\n{sum(counts.values())} cases: {dict(counts)}")
    assert sum(counts.values()) >= LEAST
    if failures:
        pytest.fail("\n\n".join(failures), pytrace=False)


def _schema(served: Served) -> BaseSchema:
    """The document as it is served, with what Schemathesis is to make of it."""
    config = {
        "seed": SEED,
        "generation": {"max-examples": EXAMPLES, "no-shrink": True, "database": "none"},
        "phases": {name: {"enabled": name in PHASES} for name in ("examples", "coverage", "fuzzing", "stateful")},
        "request-timeout": 60,
        "continue-on-failure": True,
        "suppress-health-check": ["all"],
        "warnings": False,
        "operations": [
            {
                "include-operation-id": [*NO_SCHEMA_SAYS],
                "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "4xx"]}},
            },
            {  # `format` says what a body is, whatever its Content-Type: with format=csv a number is a table of one row
                "include-operation-id": ["upload_dataset"],
                "checks": {"negative_data_rejection": {"enabled": False}},
            },
        ],
    } | ({"max-time": SECONDS} if SECONDS else {})
    schema = schemathesis.openapi.from_asgi("/openapi.json", served.app, config=SchemathesisConfig.from_dict(config))
    schema.hook(_on_trained_jobs(served))
    if served.asks_for_keys:
        schema.auth(refresh_interval=None)(_keys(served))
    return schema


def _on_trained_jobs(served: Served) -> Any:
    """Every other call of a job is one of a job that has ended: few others are there when calls are made by chance."""
    turns = cycle([True, False])

    def map_case(_context: Any, case: schemathesis.Case) -> schemathesis.Case:
        is_free = case.meta and case.meta.phase.name != TestPhase.STATEFUL and "job_id" in case.path_parameters
        if is_free and not case.meta.is_negative_at(ParameterLocation.PATH) and next(turns):
            case.path_parameters["job_id"] = served.trained_job()
        return case

    return map_case


def _keys(served: Served) -> type:
    class Keys:
        def get(self, _case: schemathesis.Case, _context: Any) -> str:
            return served.valid_key()

        def set(self, case: schemathesis.Case, key: str, _context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {key}"

    return Keys


def _run(schema: BaseSchema) -> tuple[Counter[str], list[str]]:
    """How many cases each phase had, and what was wrong with which answer."""
    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            failures[event.label] = f"{event.label}: {event.value}"
        if isinstance(event, events.ScenarioFinished):
            counts[event.phase.name.lower()] += len(event.recorder.interactions)
            for check in (check for checks in event.recorder.checks.values() for check in checks):
                if check.status == Status.FAILURE and check.failure_info:
                    failure = check.failure_info.failure
                    told = f"{check.name}: {failure.operation}: {failure.message}\n{check.failure_info.code_sample}"
                    failures[f"{check.name} {failure.operation}"] = told
    return counts, list(failures.values())
