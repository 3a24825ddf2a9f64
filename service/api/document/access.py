"""What the OpenAPI document says of who may come in, and of how much they may use."""

from typing import Any

from service.access.rules import needed_scope
from service.api.document.problem import describe_problem
from service.api.guards.access import COOKIE

Json = dict[str, Any]


def describe_access(document: Json, *, asks_for_keys: bool) -> None:
    """Which scope every call needs; as a demand where everybody is asked for a key."""
    document["security"] = []
    if asks_for_keys:
        document["components"]["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = needed_scope(method.upper(), path)
            operation["x-scope"] = scope
            if scope:
                _describe_refusals(operation, scope, asks_for_keys=asks_for_keys)


def _describe_refusals(operation: Json, scope: str, *, asks_for_keys: bool) -> None:
    refusals = {"429": _TOO_MUCH}
    if asks_for_keys:
        operation["security"] = [{name: [scope]} for name in _SCHEMES]
        refusals |= {"401": _NO_KEY, "403": _OTHER_SCOPE}
    operation["responses"] = dict(sorted((operation["responses"] | refusals).items()))


def _header(description: str, schema: Json, *, always: bool = False) -> Json:
    return {"description": description, "schema": schema} | ({"required": True} if always else {})


_TEXT: Json = {"type": "string"}
_NO_KEY = describe_problem(
    "There is no key, or it is not valid: mistyped, unknown, revoked or expired",
    {"WWW-Authenticate": _header("How to show a key (RFC 6750)", _TEXT, always=True)},
)
_OTHER_SCOPE = describe_problem("The key is of a lesser scope than `x-scope`, or the page of another site asks")
_TOO_MUCH = describe_problem(
    "An owner may not use more: requests, jobs, bytes or recorded numbers. Nothing was changed",
    {
        "Retry-After": _header("Seconds to wait", {"type": "integer", "minimum": 1}, always=True),
        "RateLimit": _header("What is left of each bound on requests, where there is one", _TEXT),
        "RateLimit-Policy": _header("The bounds on requests, where there are some", _TEXT),
    },
)
_SCHEMES: Json = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "slope_<id>_<secret><checksum>",
        "description": "A key, where the service asks for one (SLOPE_AUTH=required). Its scope is `read`, `train` or"
        " `admin`, and each includes those before it; `x-scope` says which one a call needs.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The same key as a browser keeps it, which has signed in by POST /v1/session.",
    },
}
