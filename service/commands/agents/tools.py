"""Which calls of the API are tools, and what each is like: derived from the OpenAPI document of the service itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from slope.client.exchange.exchange import Request

Json = dict[str, Any]

READING = (
    "list_jobs",
    "get_job",
    "list_epochs",
    "list_events",
    "get_statistics",
    "get_influence",
    "audit_epoch",
    "get_step_graph",
    "predict",
    "plan_job",
    "list_datasets",
    "get_dataset",
    "list_rows",
    "get_sweep",
    "list_devices",
)
"""Operations that change nothing. An agent reads every tool before its first step: these it has use for."""
CHANGING = ("submit_job", "rerun_job", "cancel_job", "pause_job", "resume_job", "describe_job", "submit_sweep")
"""Operations that queue work, stop it, or say what it is called. None of them deletes anything."""

_NO_ARGUMENTS = {"format", "theme", "idempotency-key", "if-match", "if-none-match", "last-event-id"}
"""Parameters of programs, not of agents: answers are JSON, and not kept."""
_LEFT_OUT = ("discriminator", "title", "examples")
_BODY = "body"
_COMPONENTS = "#/components/schemas/"
FEW = 10
"""Items of a page, where an agent does not say how many."""


@dataclass(frozen=True)
class Tool:
    """One operation, as an agent is told of it and as the service is asked."""

    name: str
    description: str
    schema: Json
    """JSON Schema of the arguments: those of path, query and header by name, and the body as `body`."""
    changes: bool
    method: str
    path: str
    places: Mapping[str, str]
    """Where each argument but the body goes: path, query or header."""

    def request(self, arguments: Json) -> Request:
        """Raises ValueError for arguments that are missing, or that there are none of."""
        missing = [name for name in self.schema["required"] if name not in arguments]
        unknown = [name for name in arguments if name not in self.schema["properties"]]
        if missing or unknown:
            problem = f"needs {missing[0]}" if missing else f"has no argument {unknown[0]}"
            raise ValueError(f"{self.name} {problem}; its arguments are {', '.join(self.schema['properties'])}")
        given = {place: self._those_in(place, arguments) for place in ("path", "query", "header")}
        path = self.path.format_map({name: quote(str(value), safe="") for name, value in given["path"].items()})
        headers = {name: str(value) for name, value in given["header"].items()}
        options: Json = {"params": self._page | given["query"], "headers": headers}
        return Request(self.method, path, options | ({"json": arguments[_BODY]} if _BODY in arguments else {}))

    def _those_in(self, place: str, arguments: Json) -> Json:
        return {name: value for name, value in arguments.items() if self.places.get(name) == place}

    @property
    def _page(self) -> Json:
        return {"limit": FEW} if "limit" in self.places else {}


def tools_of(document: Json, *, allow_changes: bool) -> list[Tool]:
    """The tools of a service, those that change something only where that is allowed.

    An operation that the service has not, because it is of another version, is no tool.
    """
    found = {
        operation["operationId"]: (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    names = [*READING, *(CHANGING if allow_changes else ())]
    return [_tool(document, *found[name], changes=name in CHANGING) for name in names if name in found]


def _tool(document: Json, method: str, path: str, operation: Json, *, changes: bool) -> Tool:
    parameters = [each for each in operation.get("parameters", ()) if each["name"].lower() not in _NO_ARGUMENTS]
    properties = {each["name"]: _described(each) for each in parameters}
    required = [each["name"] for each in parameters if each.get("required")]
    body = operation.get("requestBody", {})
    if body:
        properties[_BODY] = body["content"]["application/json"]["schema"]
        required += [_BODY] if body.get("required") else []
    schema: Json = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    places = {each["name"]: each["in"] for each in parameters}
    description = operation.get("description") or operation["summary"]
    return Tool(operation["operationId"], description, _whole(schema, document), changes, method, path, places)


def _described(parameter: Json) -> Json:
    description = parameter.get("description")
    schema: Json = parameter["schema"]
    return schema if description is None else schema | {"description": description}


def _whole(schema: Json, document: Json) -> Json:
    """With the models that it refers to, in the place where JSON Schema has them."""
    models, defined = document["components"]["schemas"], dict[str, Any]()
    waiting = list(_models_in(schema))
    while waiting:
        name = waiting.pop()
        if name not in defined:
            defined[name] = _plain(models[name])
            waiting += _models_in(models[name])
    whole: Json = _plain(schema)
    return whole | ({"$defs": defined} if defined else {})


def _models_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].removeprefix(_COMPONENTS)
        for name, each in value.items():
            if name != "discriminator":
                yield from _models_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _models_in(each)


def _plain(value: Any, *, are_names: bool = False) -> Any:
    """As JSON Schema says it, without what OpenAPI has besides, and without what an agent need not read.

    `are_names` says that the keys are names of properties, and no words of the schema.
    """
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: each for name, each in value.items() if are_names or name not in _LEFT_OUT}
    plain = {name: _plain(each, are_names=not are_names and name == "properties") for name, each in kept.items()}
    if isinstance(plain.get("$ref"), str):
        plain["$ref"] = plain["$ref"].replace(_COMPONENTS, "#/$defs/")
    return plain
