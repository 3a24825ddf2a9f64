"""The client has a method for every call that a user would make: generated from the OpenAPI document."""

import re
from collections.abc import Iterator
from inspect import Parameter, signature
from itertools import product
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest

from service.api.app import create_app
from service.settings import Settings
from slope.client import Client
from slope.client.calls.reports import Chart

WITHOUT_METHOD = {
    "sign_in": "a browser's, which keeps the key in a cookie: a client sends its key with each request",
    "sign_out": "as sign_in",
    "get_metrics": "Prometheus asks it, in a format of its own",
    "livez": "a supervisor asks it; `readiness` says more",
    "describe_server": "clients of the Open Inference Protocol ask it",
    "is_live": "as describe_server",
    "is_ready": "as describe_server",
    "describe_model": "as describe_server",
    "is_model_ready": "as describe_server",
    "infer": "as describe_server; `predict` does the same",
    "ping": "clients of MLflow's model servers ask it",
    "tell_version": "as ping",
}
NO_CALLS = {"run", "close"}
"""Methods that ask nothing by themselves."""
ID = "01a21949-0000-728d-bf26-99174cfa6bfd"
GIVEN: dict[str, list[Any]] = {
    "name": ["champion"],
    "request": [{}],
    "epoch": [0],
    "step": [0],
    "points": [4],
    "rows": [4],
    "x": [[1.0, 2.0]],
    "y": [[2.0, 4.0]],
    "dataset": [{"id": ID}],
    "table": [b"x\n1\n"],
    "expression": ["x*w"],
    "values": [{"x": 1.0, "w": 2.0}],
    "url": ["https://example.org/slope"],
    "events": [["job.failed"]],
    "chart": [*get_args(Chart)],
}
"""What required parameters may be. Ids are ids, and files have a name that is allowed."""


class Asked(Exception):
    pass


def documented(folder: Path) -> dict[str, tuple[str, re.Pattern[str]]]:
    """Method and address of every operation, those of fewer parameters first."""
    paths = create_app(Settings(data_dir=folder)).openapi()["paths"]
    return {
        operation["operationId"]: (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)))
        for path in sorted(paths, key=lambda path: path.count("{"))
        for method, operation in paths[path].items()
    }


def requests_of(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The first request of a method of the client, for all that its required parameters may be."""
    required = [each for each in signature(getattr(Client, name)).parameters.values() if _is_required(each)]
    for arguments in product(*(_given(each.name, folder) for each in required)):
        asked: list[httpx2.Request] = []

        def refuse(request: httpx2.Request, asked: list[httpx2.Request] = asked) -> httpx2.Response:
            asked.append(request)
            raise Asked

        with Client(transport=httpx2.MockTransport(refuse)) as client, pytest.raises(Asked):
            _begin(getattr(client, name)(*arguments))
        yield asked[0].method, asked[0].url.path


def _begin(found: Any) -> None:
    """What comes item by item asks when the first is wanted."""
    if isinstance(found, Iterator):
        next(found)


def _is_required(parameter: Parameter) -> bool:
    is_variable = parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return parameter.default is Parameter.empty and not is_variable and parameter.name != "self"


def _given(name: str, folder: Path) -> list[Any]:
    if name == "file":
        return [*folder.iterdir()]
    return [ID] if name.endswith("_id") else GIVEN[name]


def test_every_operation_has_a_method_or_a_reason_why_not(tmp_path: Path) -> None:
    operations = documented(tmp_path)
    files = tmp_path / "files"
    files.mkdir()
    reached = set()
    for name in sorted(name for name in vars(Client) if not name.startswith("_") and name not in NO_CALLS):
        (file := files / _file_of(name)).write_bytes(b"x,y\n1,2\n")
        for method, path in requests_of(name, files):
            reached.add(next(each for each, (m, p) in operations.items() if m == method and p.fullmatch(path)))
        file.unlink()

    assert len(reached) > 60
    assert operations.keys() - reached == WITHOUT_METHOD.keys()


def _file_of(name: str) -> str:
    return {"save_chart": "chart.svg", "save_step_graph": "graph.svg", "save_model": "model.json"}.get(name, "file.csv")
