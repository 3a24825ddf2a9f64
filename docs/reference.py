"""The pages of the reference that are made from the code whenever the site is built, so that they say what is there."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from inspect import getdoc
from json import dumps
from typing import Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.api.app import create_app
from service.commands.cli import app as command
from service.errors import error_kinds
from service.monitoring import families
from service.settings import Settings
from slope.spec import TrainingSpec, optimizers, schedules
from slope.spec.training import EarlyStopping, Recording


def settings() -> Iterator[str]:
    yield from ("# Settings", "")
    yield "Every setting is an environment variable. `slope serve`, `slope api` and `slope worker` read the same ones."
    yield from ("", "| variable | default | what it says |", "|---|---|---|")
    for name, field in Settings.model_fields.items():
        yield f"| `SLOPE_{name.upper()}` | {_default(field)} | {_in_cell(field.description or '')} |"


def problems() -> Iterator[str]:
    yield from ("# Error codes", "")
    yield "The `type` of a problem is `/problems/` and its code, an address of the service that says what is said here."
    yield "Its `detail` says what happened this time."
    yield from ("", "| code | status | title | what it means, and what to do |", "|---|---|---|---|")
    for kind in error_kinds().values():
        yield f"| `{kind.type}` | {kind.status} | {kind.title} | {_in_cell(kind.meaning())} |"


def hyperparameters() -> Iterator[str]:
    yield from ("# Hyperparameters", "")
    yield "What `hyperparameters` of a job may hold. A value that does not exist is refused, never ignored."
    yield from _fields(TrainingSpec)
    kinds = [each for module in (optimizers, schedules) for each in _parts_of(module)]
    for kind in (EarlyStopping, Recording, *kinds):
        yield from ("", f"## {kind.__name__}", "", (getdoc(kind) or "") if kind.__doc__ else "")
        yield from ("", "```json", _example_of(kind), "```")
        yield from _fields(kind)


def http() -> Iterator[str]:
    schema = create_app().openapi()
    yield from ("# HTTP", "", "The same as `/docs` of a running service and its `/openapi.json`.")
    for path, operations in sorted(schema["paths"].items()):
        for method, operation in operations.items():
            yield from ("", f"## {method.upper()} {path} {{ #{operation['operationId']} }}", "")
            yield operation.get("description") or operation["summary"]
            yield from _parameters(operation.get("parameters", []))


def commands() -> Iterator[str]:
    yield from ("# The command", "", "`slope` is in `.venv/bin` after `make demo` or `make serve`.")
    yield "[How to work from the command line](../how-to/command-line.md) shows it at work."
    yield from _command(typer.main.get_command(command), "slope")


def monitoring() -> Iterator[str]:
    yield from ("# Metrics", "")
    yield "What `GET /metrics` tells Prometheus. [How to monitor it](../how-to/monitor.md) says what to make of it."
    for group, said in _GROUPS:
        yield from ("", said, "", "| metric | kind | labels | what it says |", "|---|---|---|---|")
        for family in group:
            labels = ", ".join(f"`{label}`" for label in family.labels)
            yield f"| `{family.sent_as}` | {family.kind} | {labels} | {_in_cell(family.help)} |"


_GROUPS = (
    (families.OF_PROCESS, "Of the API process that answers: add up those of several."),
    (
        families.OF_STATE,
        "Of the whole service, whichever API process answers: take the largest of what several say.",
    ),
    (
        families.OF_WORKERS,
        "What workers have done since the first one began, also those that are gone. It never falls.",
    ),
)
PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "reference/settings.md": settings,
    "reference/problems.md": problems,
    "reference/hyperparameters.md": hyperparameters,
    "reference/http.md": http,
    "reference/command.md": commands,
    "reference/metrics.md": monitoring,
}


def _fields(model: type[BaseModel]) -> Iterator[str]:
    has_examples = model is TrainingSpec
    head = "| field | default | takes | example |" if has_examples else "| field | default | takes |"
    yield from ("", head, "|---|---|---|---|" if has_examples else "|---|---|---|")
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        said = _in_cell(field.description or "")
        takes = "; ".join(part for part in (_takes(properties[name]), said) if part)
        cells = [f"`{name}`", _default(field), takes, *([_example(name)] if has_examples else [])]
        yield f"| {' | '.join(cells)} |"


def _parts_of(module: Any) -> list[type[BaseModel]]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
    ]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=False) if field.default_factory is None else None
    if field.default_factory is not None or value in (None, ""):
        return ""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=False)
    return f"`{span_as_set(value) if isinstance(value, timedelta) else dumps(value, default=str)}`"


def span_as_set(span: timedelta) -> str:
    """A length of time as a setting has it, in the largest unit of which it is a whole number."""
    minutes = span // timedelta(minutes=1)
    size, unit = next((size, unit) for size, unit in ((24 * 60, "d"), (60, "h"), (1, "m")) if minutes % size == 0)
    return f"{minutes // size}{unit}"


def _takes(schema: dict[str, Any]) -> str:
    """The values that a JSON schema allows, in words."""
    if "enum" in schema:
        return ", ".join(f"`{dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{dumps(schema['const'])}`"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if branches := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(_takes(branch) for branch in branches)
    if schema.get("type") == "array":
        return f"list of {_takes(schema['items'])}"
    bounds = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([_TYPES.get(schema.get("type", ""), ""), *bounds]).strip()


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
    "string": "text",
    "null": "`null`",
}

_EXAMPLES: dict[str, Any] = {
    "epochs": 200,
    "learning_rate": 0.05,
    "batch_size": "full",
    "shuffle": True,
    "seed": 7,
    "optimizer": {"name": "adam", "betas": [0.9, 0.99]},
    "schedule": {"name": "cosine", "T_max": 200},
    "loss": "huber",
    "huber_delta": 1.5,
    "test_fraction": 0.1,
    "l1": 0.001,
    "l2": 0.01,
    "fit_bias": False,
    "initial_weights": [1.0, -2.5],
    "initial_bias": 0.5,
    "frozen": ["bias"],
    "zero_gradients": "never",
    "standardize": True,
    "validation_fraction": 0.2,
    "validation_rows": [[80, 100]],
    "test_rows": [[60, 80]],
    "early_stopping": {"patience": 5, "min_delta": 0.001},
    "clip_norm": 1.0,
    "dtype": "float64",
    "engine": "eager",
    "record": {"steps": "none", "every": 10},
}


_WITHOUT_DEFAULTS: dict[str, Any] = {"gamma": 0.99, "step_size": 50}


def _example(name: str) -> str:
    """JSON that a job takes: the page cannot be built with an example that it refuses."""
    example = {name: _EXAMPLES[name]}
    TrainingSpec.model_validate(example)
    return f"`{dumps(example)}`"


def _example_of(kind: type[BaseModel]) -> str:
    """A part of the hyperparameters with all its fields, at their defaults where they have any."""
    needed = {name: _needed(field, name) for name, field in kind.model_fields.items() if field.is_required()}
    inside = kind.model_validate(needed).model_dump(mode="json")
    example = {_field_of(kind): inside}
    TrainingSpec.model_validate(example)
    return dumps(example)


def _field_of(kind: type[BaseModel]) -> str:
    """The hyperparameter that such a part is the value of."""
    by_module = {optimizers.__name__: "optimizer", schedules.__name__: "schedule"}
    return {EarlyStopping: "early_stopping", Recording: "record"}.get(kind) or by_module[kind.__module__]


def _needed(field: FieldInfo, name: str) -> Any:
    """The one value of a literal, or one from our list."""
    return get_args(field.annotation)[0] if name == "name" else _WITHOUT_DEFAULTS[name]


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    asked = [each for each in parameters if each["in"] != "path"]
    if not asked:
        return
    yield from ("", "| parameter | in | takes |", "|---|---|---|")
    for each in asked:
        takes = "; ".join(part for part in (_takes(each["schema"]), _in_cell(each.get("description", ""))) if part)
        yield f"| `{each['name']}` | {each['in']} | {takes} |"


def _command(found: Any, name: str) -> Iterator[str]:
    if inside := getattr(found, "commands", None):
        for each, inner in inside.items():
            yield from _command(inner, f"{name} {each}")
        return
    yield from ("", f"## {name}", "", found.help or "", "")
    arguments = " ".join((each.name or "").upper() for each in found.params if each.param_type_name == "argument")
    yield from ("```text", f"{name} [OPTIONS] {arguments}".rstrip(), "```")
    options = [each for each in found.params if each.param_type_name == "option"]
    if options:
        yield from ("", "| option | default | what it says |", "|---|---|---|")
    for each in options:
        default = "" if each.default is None or callable(each.default) else f"`{each.default}`"
        yield f"| `{', '.join(each.opts)}` | {default} | {_in_cell(each.help or '')} |"


def _in_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
