"""Messages that somebody may have left in the broker, and that are no bells."""

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

from service.queue import TASK


def bell(body: Any = None, **changes: Any) -> dict[str, Any]:
    """A message as Celery writes it for a job that is not there, with these changes."""
    words = [[str(uuid4())], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    headers = {"lang": "py", "task": TASK, "id": str(uuid4()), "eta": None, "expires": None, "retries": 0}
    properties = {
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
        "delivery_info": {"exchange": "", "routing_key": "slope.cpu"},
    }
    message = {
        "body": b64encode(json.dumps(words if body is None else body).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": properties,
    }
    return message | changes


def _without(*path: str) -> dict[str, Any]:
    message = part = bell()
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return message


def _as_json(message: Any) -> bytes:
    return json.dumps(message).encode()


def _with_headers(**changes: Any) -> bytes:
    return _as_json(bell(headers=bell()["headers"] | changes))


NO_BELLS: dict[str, bytes] = {
    "a body that is a string": _as_json(bell("x")),
    "a body that is a number": _as_json(bell(7)),
    "a body that is an object": _as_json(bell({"task": TASK, "args": ["x"]})),
    "a body without arguments": _as_json(bell([[], {}, {}])),
    "a body with two arguments": _as_json(bell([[str(uuid4()), str(uuid4())], {}, {}])),
    "a body with a number for an id": _as_json(bell([[7], {}, {}])),
    "a body with a word for an id": _as_json(bell([["x"], {}, {}])),
    "a body that is no base64": _as_json(bell() | {"body": "~"}),
    "a body that is no text": _as_json(bell() | {"body": {"a": 1}}),
    "a body of 30 MB": _as_json(bell(["x" * 30_000_000, {}, {}])),
    "no body": _as_json(_without("body")),
    "no headers": _as_json(_without("headers")),
    "headers that are null": _as_json(bell(headers=None)),
    "headers that are a list": _as_json(bell(headers=["task"])),
    "another task": _with_headers(task="celery.backend_cleanup"),
    "a task that is a list": _with_headers(task=[TASK]),
    "no properties": _as_json(_without("properties")),
    "properties that are a string": _as_json(bell(properties="x")),
    "a body in another encoding": _as_json(bell(properties=bell()["properties"] | {"body_encoding": "rot13"})),
    "a list": b"[]",
    "null": b"null",
    "a number": b"3",
    "a string": b'"x"',
    "no JSON": b"hello",
    "nothing": b"",
    "no UTF-8": b"\xff\xfe\x00",
    "a deep nest": b"[" * 100_000,
    "a type that kombu does not know": b'{"__type__": "slope", "__value__": 1}',
    "a date that is none": b'{"__type__": "datetime", "__value__": 3}',
}
ODD_BELLS: dict[str, bytes] = {
    "a time limit": _with_headers(timelimit=[0.001, 0.001]),
    "a time limit that is a word": _with_headers(timelimit="x"),
    "a time that is none": _with_headers(eta="yesterday"),
    "a time in the far future": _with_headers(eta="9999-12-31T23:59:59+00:00"),
    "an end that is past": _with_headers(expires="1999-12-31T23:59:59+00:00"),
    "a compression that it has not": _with_headers(compression="zlib"),
    "no id of its own": _as_json(_without("headers", "id")),
    "a successor": _as_json(bell([[str(uuid4())], {}, {"chain": [{"task": "x"}], "callbacks": 3}])),
    "another kind of content": _as_json(bell() | {"content-type": "application/x-python-serialize"}),
    "no delivery tag": _as_json(_without("properties", "delivery_tag")),
    "no delivery information": _as_json(_without("properties", "delivery_info")),
    "a delivery to nowhere": _as_json(bell(properties=bell()["properties"] | {"delivery_info": {"exchange": 3}})),
}
"""They name a job, and that is all that is taken from them."""
