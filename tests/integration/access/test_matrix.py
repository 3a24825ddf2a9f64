"""The authorisation matrix: every call of the OpenAPI document, with every kind of key, on another's things.

A new route is in it by itself. One that names a thing of a new kind fails until `THINGS` has one of that kind.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute
from workbench import LECTURE, FakeQueue, Migrated, change, storage, submit, submit_sweep

from service.access import keys
from service.access.callers import SCOPES, Scope
from service.access.key_text import new_key_text
from service.access.rules import needed_scope
from service.api.app import create_app
from service.data.new_datasets import NewDataset
from service.jobs import aliases
from service.settings import Settings
from service.store.database import Database
from service.store.owners.keys import change_key
from service.webhooks import webhooks
from slope.spec.webhooks import WebhookRequest
from slope.tabular.summary import summarize

Json = dict[str, Any]
Headers = dict[str, str]
UNKNOWN = "01a21949-0000-728d-bf26-99174cfa6bfd"
APP = create_app(Settings(auth="required", database_url="postgresql://nobody@/nothing"), FakeQueue())


class Operation(NamedTuple):
    method: str
    path: str
    documented: Json

    @property
    def scope(self) -> Scope | None:
        return needed_scope(self.method, self.path)

    @property
    def parameters(self) -> list[str]:
        return [each["name"] for each in self.documented.get("parameters", []) if each["in"] == "path"]

    @property
    def body(self) -> tuple[str, bytes]:
        """As the document shows it."""
        if self.path in BODIES:
            return "application/json", json.dumps(BODIES[self.path]).encode()
        content = self.documented.get("requestBody", {}).get("content", {})
        for kind, shown in content.items():
            examples = [each["value"] for each in shown.get("examples", {}).values()] or [shown.get("example", {})]
            return kind, examples[0].encode() if isinstance(examples[0], str) else json.dumps(examples[0]).encode()
        return "", b""


BODIES: dict[str, Json] = {
    "/v1/datasets/{dataset_id}": {"name": "other"},
    "/v1/jobs/{job_id}": {"name": "other"},
    "/v1/webhooks/{webhook_id}": {"enabled": False},
    "/v1/webhooks/{webhook_id}/rotate": {},
}
"""Of requests of which the document shows none as a whole."""
OPERATIONS = {
    f"{method.upper()} {path}": Operation(method.upper(), path, documented)
    for path, methods in APP.openapi()["paths"].items()
    for method, documented in methods.items()
}
NOBODY_S = {"epoch": "0", "step": "0", "key_id": "0" * 12, "name": "nothing"}
"""What paths name otherwise than by an id."""
THINGS = ("job_id", "sweep_id", "dataset_id", "name", "webhook_id", "delivery_id")
"""What paths name that belongs to somebody."""


@dataclass
class Served:
    """An application that asks for keys, and what two owners have there."""

    app: FastAPI
    database: Database
    loop: asyncio.Runner = field(default_factory=asyncio.Runner)
    things: Headers = field(default_factory=dict)
    """Alice's, by what paths call them."""

    def key(self, name: str, scope: Scope) -> str:
        return keys.create_key(self.database, name, scope, owner=name.partition("-")[0]).text

    def ask(self, operation: Operation, headers: Headers, things: Headers | None = None) -> tuple[int, str]:
        """The status, and the type of the problem."""
        values = dict.fromkeys(operation.parameters, UNKNOWN) | NOBODY_S | (things or {})
        path = operation.path.format_map(values)
        status, content = self.loop.run(self._ask(operation, path, headers))
        return status, json.loads(content)["type"] if status >= 400 else ""

    async def _ask(self, operation: Operation, path: str, headers: Headers) -> tuple[int, bytes]:
        kind, body = operation.body
        given = {"host": "localhost", "content-type": kind, "content-length": str(len(body))} | headers
        sent: list[Any] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": operation.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"dry_run=true" if operation.path in ("/v1/jobs", "/v1/jobs/cancel") else b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "state": {},
        }
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            return next(messages, None) or await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.fixture(scope="module")
def served(migrated: Migrated) -> Iterator[Served]:
    with migrated("sqlite") as url:
        app = create_app(Settings(auth="required", database_url=url), FakeQueue())
        database: Database = app.state.database
        served = Served(app, database)
        served.things = _things(database.of_owner("alice", sees_all=False))
        with served.loop:
            yield served
        database.dispose()


def _things(alice: Database) -> Headers:
    """One of each kind."""
    job_id = submit(alice, LECTURE)
    wanted = {name: LECTURE[name] for name in ("dataset", "hyperparameters")} | {"grid": {"seed": [1, 2]}}
    columns = {"x": [1.0, 2.0], "y": [2.0, 4.0]}
    summary = summarize(list(columns), list(map(_array, columns.values())))
    table = NewDataset(storage(), summary, columns, name="numbers", is_inline=False)
    aliases.put_alias(alice, "champion", job_id)
    found: dict[str, UUID | str] = {
        "job_id": job_id,
        "sweep_id": submit_sweep(alice, wanted),
        "dataset_id": change(alice, table.adopt),
        "name": "champion",
        "webhook_id": (webhook_id := webhooks.create_webhook(alice, Settings(), _webhook()).id),
        "delivery_id": webhooks.send_test(alice, webhook_id).id,
    }
    assert found.keys() == set(THINGS)
    return {name: str(value) for name, value in found.items()}


def _webhook() -> WebhookRequest:
    return WebhookRequest.model_validate({"url": "https://example.org/slope", "events": ["job.failed"]})


def _array(values: list[float]) -> Any:
    import numpy as np

    return np.array(values)


@pytest.fixture(scope="module")
def refused(served: Served) -> dict[str, Headers]:
    """Headers that let nobody in."""
    revoked, expired = (keys.create_key(served.database, name, "admin") for name in ("revoked", "expired"))
    keys.revoke_key(served.database, revoked.key.id)
    change(served.database, lambda session: change_key(session, expired.key.id, expires_at=expired.key.created_at))
    good = new_key_text()
    texts = {
        "malformed": "no-key-at-all",
        "with a bad checksum": good[:-1] + ("0" if good[-1] != "0" else "1"),
        "unknown": good,
        "of another's secret": revoked.text[:18] + good[18:],
        "revoked": revoked.text,
        "expired": expired.text,
    }
    shown = {name: {"authorization": f"Bearer {text}"} for name, text in texts.items()}
    basic = {"of another scheme": {"authorization": "Basic c2xvcGU6c2xvcGU="}}
    return shown | basic | {"none": {}, "revoked, in a cookie": _in_a_cookie(revoked.text)}


def _in_a_cookie(text: str) -> Headers:
    return {"cookie": f"slope_key={text}", "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def bob(served: Served) -> dict[Scope, Headers]:
    """Another's keys, one of each scope."""
    return {scope: {"authorization": f"Bearer {served.key(f'bob-{scope}', scope)}"} for scope in SCOPES}


def test_every_thing_that_a_path_names_is_known_here() -> None:
    named = {parameter for operation in OPERATIONS.values() for parameter in operation.parameters}
    assert named == set(THINGS) | NOBODY_S.keys()


OPEN = {
    "GET /livez",
    "GET /readyz",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "POST /v1/session",
    "DELETE /v1/session",
}
"""What needs no key."""


def test_few_calls_need_no_key() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.scope is None} == OPEN


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in OPEN])
def test_who_may_call(served: Served, refused: dict[str, Headers], bob: dict[Scope, Headers], name: str) -> None:
    """Nobody without a key, nobody whose key is of a lesser scope, and whoever may finds nothing of another's."""
    operation = OPERATIONS[name]
    assert operation.scope

    for kind, headers in refused.items():
        status, type_ = served.ask(operation, headers, served.things)
        missing = kind in ("none", "of another scheme")
        assert (status, type_) == (401, f"/problems/{'key-missing' if missing else 'key-not-valid'}"), kind
    for scope in SCOPES:
        status, type_ = served.ask(operation, bob[scope])
        is_refused = SCOPES.index(scope) < SCOPES.index(operation.scope)
        assert ((status, type_) == (403, "/problems/scope-too-small")) is is_refused, (scope, status, type_)
        assert is_refused or status not in (401, 403, 500)


OF_A_THING = [name for name, each in OPERATIONS.items() if set(THINGS) & set(each.parameters) and each.method != "PUT"]
"""A name that is another's is free to be given."""


@pytest.mark.parametrize("name", OF_A_THING)
def test_another_s_things_are_not_there(served: Served, bob: dict[Scope, Headers], name: str) -> None:
    """What is answered about another's is what is answered about what nobody has."""
    operation = OPERATIONS[name]
    anothers, unknown = (served.ask(operation, bob["train"], things) for things in (served.things, None))

    assert anothers == unknown
    assert anothers[0] == 404
    if operation.method == "GET":
        assert served.ask(operation, bob["admin"], served.things) != unknown, "the operator sees it"


LISTS = [
    name for name, each in OPERATIONS.items() if (each.method, each.scope) == ("GET", "read") and not each.parameters
]


@pytest.mark.parametrize("name", LISTS)
def test_no_list_has_what_is_another_s(served: Served, bob: dict[Scope, Headers], name: str) -> None:
    operation = OPERATIONS[name]
    _, content = served.loop.run(served._ask(operation, operation.path, bob["read"]))

    assert not [thing for thing in served.things.values() if thing.encode() in content]


def test_what_another_has_cannot_be_named_in_a_request(served: Served, bob: dict[Scope, Headers]) -> None:
    """A job on another's data, or one that goes on from another's, is refused as if there were no such thing."""
    wanted = {name: LECTURE[name] for name in ("hyperparameters",)}
    named = [
        ("POST", "/v1/jobs", {"dataset": {"id": "{dataset_id}"}}),
        ("POST", "/v1/jobs", {"dataset": {"name": "numbers"}}),
        ("POST", "/v1/plan", {"dataset": {"id": "{dataset_id}"}}),
        ("POST", "/v1/jobs", {"dataset": LECTURE["dataset"], "initial_from": {"job": "{job_id}"}}),
        ("PUT", "/v1/aliases/mine", {"job": "{job_id}"}),
        ("POST", "/v1/sweeps", {"dataset": {"id": "{dataset_id}"}, "grid": {"seed": [1, 2]}}),
    ]
    for method, path, part in named:
        request = part if method == "PUT" else wanted | part
        answers = []
        for things in (served.things, {"job_id": UNKNOWN, "dataset_id": UNKNOWN}):
            text = json.dumps(request)
            for name, value in things.items():
                text = text.replace(f"{{{name}}}", value)
            documented = {"requestBody": {"content": {"application/json": {"example": json.loads(text)}}}}
            answers.append(served.loop.run(served._ask(Operation(method, path, documented), path, bob["train"])))
        (status, told), (other_status, other) = answers
        assert status == other_status == 422, (path, part, told)
        for thing in served.things.values():
            told = told.replace(thing.encode(), UNKNOWN.encode())
        assert told == other, (path, part)


def _unlisted(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if not getattr(route, "include_in_schema", False):
            yield str(getattr(route, "path", ""))


def test_what_is_not_in_the_document_is_a_page_or_a_spelling_of_what_is() -> None:
    """A page holds no data: it asks for it, and is asked for a key then."""
    for path in _unlisted(APP.router.routes):
        page = path.format_map(NOBODY_S | dict.fromkeys(("job_id", "sweep_id", "dataset_id", "type"), "1"))
        scope = needed_scope("GET", page)
        assert scope == ("read" if path.startswith("/v2/models/") else None) or page == "/static-offline-docs", path


def test_what_is_not_there_asks_for_a_key_as_what_is(served: Served) -> None:
    for method, path in (("GET", "/v1/nothing"), ("GET", "/admin"), ("TRACE", "/v1/jobs"), ("DELETE", "/")):
        status, _ = served.loop.run(served._ask(Operation(method, path, {}), path, {}))
        assert status == 401


@pytest.mark.parametrize(
    "odd", ["\n", "\r", "\0", "\t", "\x1f", "\x7f", "\x85", "\u2028", "%0A", ";a", "//", "/."], ids=ascii
)
def test_no_spelling_of_an_address_asks_for_less(served: Served, bob: dict[Scope, Headers], odd: str) -> None:
    """Who decides about the scope and who finds the route read the same address: a line break at its end is no end."""
    for name, operation in OPERATIONS.items():
        if operation.scope in ("train", "admin"):
            lesser = bob["read" if operation.scope == "train" else "train"]
            status, _ = served.ask(operation._replace(path=operation.path + odd), lesser)
            assert status in (403, 404, 405), (name, status)
