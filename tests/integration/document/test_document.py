"""The OpenAPI document is whole, and made so that other programs understand it."""

from collections.abc import Iterator
from typing import Any

import pytest
from workbench import FakeQueue

from service.api.app import create_app
from service.settings import Settings
from slope.spec import TrainingSpec
from slope.spec.faults import sentence
from slope.statuses import STATUSES

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data")), FakeQueue()).openapi()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The document of a service that asks everybody for a key."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), auth="required")
    return create_app(settings, FakeQueue()).openapi()


def operations(document: Json) -> Iterator[Json]:
    for methods in document["paths"].values():
        yield from methods.values()


def objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


def members(document: Json, name: str) -> Json:
    return document["components"]["schemas"][name]["properties"]


def test_operations_have_names_of_their_own_that_a_program_can_have(document: Json) -> None:
    names = [operation["operationId"] for operation in operations(document)]

    assert {"submit_job", "list_epochs", "upload_dataset", "plan_job", "submit_sweep"} <= set(names)
    assert len(names) == len(set(names)) > 30
    assert all(name.isidentifier() and name.islower() for name in names)


def test_every_tag_is_described_and_every_operation_has_one(document: Json) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}

    assert {tag for operation in operations(document) for tag in operation["tags"]} == tags
    assert all(operation["tags"] for operation in operations(document))
    assert document["servers"] == [{"url": "/"}]
    assert document["info"]["license"]["identifier"] == "MIT"


def test_a_text_of_another_form_is_refused_in_words_and_not_by_a_regular_expression(document: Json) -> None:
    asked = [document["paths"], document["components"]]  # and not `webhooks`, which are sent
    patterns = {each["pattern"] for each in objects(asked) if isinstance(each.get("pattern"), str)}
    told = {
        pattern: sentence({"type": "string_pattern_mismatch", "loc": (), "ctx": {"pattern": pattern}, "msg": pattern})
        for pattern in patterns
    }
    assert len(patterns) > 5
    assert [pattern for pattern, words in told.items() if pattern in words] == []


def test_no_default_is_an_object_for_which_generators_drop_an_operation(document: Json) -> None:
    assert [each for each in objects(document["components"]) if isinstance(each.get("default"), dict)] == []
    assert "default" not in members(document, "TrainingSpec")["optimizer"]


def test_what_tells_kinds_apart_is_required_of_each(document: Json) -> None:
    chosen = [each["discriminator"] for each in objects(document) if "mapping" in each.get("discriminator", {})]
    assert chosen
    for each in chosen:
        for reference in each["mapping"].values():
            kind = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert each["propertyName"] in kind["required"]


@pytest.mark.parametrize("name", ["JobView", "RankedView", "TransitionView"])
def test_a_status_is_one_of_those_there_are(document: Json, name: str) -> None:
    assert members(document, name)["status"]["enum"] == list(STATUSES)


@pytest.mark.parametrize(("view", "name"), [("JobView", "hyperparameters"), ("SweepView", "hyperparameters")])
def test_hyperparameters_of_answers_are_typed(document: Json, view: str, name: str) -> None:
    assert members(document, view)[name]["$ref"] == "#/components/schemas/HyperparametersView"
    assert members(document, "HyperparametersView").keys() == TrainingSpec.model_fields.keys()


def test_the_filter_by_metadata_is_documented(document: Json) -> None:
    asked = {each["name"]: each for each in document["paths"]["/v1/jobs"]["get"]["parameters"]}

    assert asked["metadata"]["style"] == "deepObject"
    assert asked["metadata"]["example"] == {}, "what /docs sends as it stands finds every job"
    assert asked["metadata"]["schema"]["additionalProperties"] == {"type": "string"}


def test_the_name_of_an_upload_is_not_that_of_a_search(document: Json) -> None:
    [name] = [each for each in document["paths"]["/v1/datasets"]["post"]["parameters"] if each["name"] == "name"]

    assert "What to call it" in name["description"]


def test_every_answer_that_has_a_body_says_what_it_holds(document: Json) -> None:
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            assert status in ("204", "304") or answer["content"], operation["operationId"]
            assert all(media["schema"] for media in answer.get("content", {}).values()), operation["operationId"]


def test_the_headers_that_a_poll_reads_are_documented(document: Json) -> None:
    parameters = document["paths"]["/v1/jobs/{job_id}"]["get"]["parameters"]

    headers = [each["name"] for each in parameters if each["in"] == "header"]

    assert headers == ["If-None-Match", "Prefer"]


def test_every_call_that_needs_a_key_says_so_and_how_it_refuses(guarded: Json) -> None:
    assert guarded["components"]["securitySchemes"].keys() == {"key", "session"}
    for operation in operations(guarded):
        scope, answers = operation["x-scope"], operation["responses"]
        demands = [{"key": [scope]}, {"session": [scope]}] if scope else []
        assert operation.get("security", []) == demands, operation["operationId"]
        for status, headers in (("401", {"WWW-Authenticate"}), ("403", set()), ("429", {"Retry-After"})):
            assert (status in answers) is bool(scope), operation["operationId"]
            told = answers.get(status, {}).get("headers", {})
            assert not scope or {name for name, each in told.items() if each.get("required")} == headers


def test_where_nobody_is_asked_for_a_key_only_bounds_of_use_are_told(document: Json) -> None:
    for operation in operations(document):
        answers = operation["responses"].keys() & {"401", "403", "429"}
        assert answers == ({"429"} if operation["x-scope"] else set())
    assert "securitySchemes" not in document["components"]


def test_every_field_and_every_parameter_is_described(document: Json) -> None:
    asked = [each for operation in operations(document) for each in operation.get("parameters", [])]
    schemas = document["components"]["schemas"]

    assert [each["name"] for each in asked if not each.get("description")] == []
    fields = [
        (of, name, field) for of, schema in schemas.items() for name, field in schema.get("properties", {}).items()
    ]
    assert [f"{of}.{name}" for of, name, field in fields if not is_told(field)] == []


def is_told(field: Json) -> bool:
    return bool(field.get("description") or field.keys() & {"$ref", "const"})
