"""The tools of agents are calls of the API, as its OpenAPI document says them today."""

from typing import Any

import jsonschema
import pytest

from service.api.app import create_app
from service.commands.agents.server import answer_text
from service.commands.agents.tools import CHANGING, READING, Tool, tools_of
from service.settings import Settings

Json = dict[str, Any]

NO_TOOLS = {
    # what deletes, or changes many
    *("delete_jobs", "cancel_jobs", "delete_job", "delete_dataset", "delete_sweep", "cancel_sweep", "rename_dataset"),
    # what is of files, of pictures and of other protocols
    *("upload_dataset", "get_model", "draw_expression", "invoke", "ping", "tell_version"),
    *("get_loss_chart", "get_gradient_chart", "get_weights_chart", "get_fit_chart", "get_surface_chart"),
    *("describe_server", "is_live", "is_ready", "describe_model", "is_model_ready", "infer"),
    # what other tools tell as well, or agents have no use for
    *("list_steps", "list_recorded_steps"),
    *("list_predictions", "get_path", "get_report", "list_sweeps", "livez", "readyz"),
    # what is of other services that are told
    *("create_webhook", "list_webhooks", "get_webhook", "change_webhook", "delete_webhook", "rotate_webhook_secret"),
    *("try_webhook", "list_deliveries", "send_again"),
    # what is the operator's: keys, who did what, and figures of the service
    *("create_key", "get_key", "list_keys", "revoke_key", "rotate_key", "get_session", "sign_in", "sign_out"),
    *("list_deeds", "get_metrics"),
    *("list_aliases", "put_alias", "delete_alias", "get_surface"),
}
"""A new operation is named in one of the three: whoever adds it decides whether agents need it."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"))).openapi()


@pytest.fixture(scope="module")
def tools(document: Json) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools_of(document, allow_changes=True)}


def test_every_operation_is_a_tool_or_was_left_out_on_purpose(document: Json) -> None:
    operations = {each["operationId"] for path in document["paths"].values() for each in path.values()}
    assert operations == {*READING, *CHANGING, *NO_TOOLS}
    assert len(operations) == len(READING) + len(CHANGING) + len(NO_TOOLS)


def test_tools_say_what_the_document_says(document: Json, tools: dict[str, Tool]) -> None:
    assert list(tools) == [*READING, *CHANGING]
    for tool in tools.values():
        operation = document["paths"][tool.path][tool.method.lower()]
        assert (tool.name, tool.description) == (operation["operationId"], operation["description"])
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in tool.places:
                assert tool.schema["properties"][parameter["name"]]["description"] == parameter["description"]
            else:
                assert not parameter.get("required")
        jsonschema.Draft202012Validator.check_schema(tool.schema)
        assert "#/components" not in str(tool.schema)


def test_without_leave_there_are_tools_that_change_nothing(document: Json) -> None:
    for tool in tools_of(document, allow_changes=False):
        assert tool.name in READING
        assert not tool.changes
        assert tool.method == "GET" or tool.name in ("predict", "plan_job")


def test_an_agent_s_memory_is_not_filled_by_the_tools(document: Json, tools: dict[str, Tool]) -> None:
    reading = sum(len(str(tool.schema)) + len(tool.description) for tool in tools_of(document, allow_changes=False))
    assert reading < 40_000
    assert sum(len(str(tool.schema)) + len(tool.description) for tool in tools.values()) < 90_000


def test_a_service_of_another_version_has_the_tools_that_it_has(document: Json) -> None:
    older = document | {"paths": {path: each for path, each in document["paths"].items() if path != "/v1/plan"}}
    assert {tool.name for tool in tools_of(older, allow_changes=False)} == set(READING) - {"plan_job"}


def test_the_schema_takes_what_the_service_takes(tools: dict[str, Tool]) -> None:
    job = {
        "dataset": {"x": [1.0, 2.0], "y": [2.0, 4.0]},
        "hyperparameters": {"optimizer": "adam", "batch_size": "full"},
    }
    jsonschema.validate({"body": job, "prefer": "wait=10"}, tools["submit_job"].schema)
    jsonschema.validate({"job_id": "7", "body": {"hyperparameters": None}}, tools["rerun_job"].schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"body": job | {"hyperparameters": {"epochs": "ten"}}}, tools["submit_job"].schema)


def test_arguments_go_where_the_document_has_them(tools: dict[str, Tool]) -> None:
    asked = tools["list_epochs"].request({"job_id": "a/b", "points": 20})
    assert (asked.method, asked.path) == ("GET", "/v1/jobs/a%2Fb/epochs")
    assert asked.options["params"] == {"limit": 10, "points": 20}
    again = tools["rerun_job"].request({"job_id": "7", "body": {"name": None}, "prefer": "wait=20"})
    assert (again.method, again.path) == ("POST", "/v1/jobs/7/rerun")
    assert (again.options["json"], again.options["headers"]) == ({"name": None}, {"prefer": "wait=20"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({}, "get_job needs job_id"), ({"job_id": "7", "id": "7"}, "get_job has no argument id")],
    ids=["missing", "unknown"],
)
def test_wrong_arguments_are_told(tools: dict[str, Tool], arguments: Json, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence + "; its arguments are job_id, Prefer"):
        tools["get_job"].request(arguments)


def test_answers_are_as_long_as_an_agent_can_hold() -> None:
    assert answer_text({"a": None, "b": list(range(100)), "c": [{"d": None}] * 2}) == (
        '{"b": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, "… and 80 more"], "c": [{}, {}]}'
    )
    assert len(answer_text([{"text": "a" * 100_000}])) < 41_000
