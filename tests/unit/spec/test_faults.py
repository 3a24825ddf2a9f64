"""Very many faults, and any document: the first are told, each in a sentence and at a place that there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError
from unit.spec.requests import ID, LECTURE, all_faults, faults, request_with

import slope.spec.data
import slope.spec.faults
import slope.spec.part
from slope.spec import Fault, InlineData, JobRequest, SweepRequest
from slope.spec.faults import faults_from, first_of

StrictNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]

LONG = 30_000
NUMBERS = st.one_of(st.just(1.0), st.just("a"), st.none())


@pytest.mark.parametrize(
    "document",
    [
        {"dataset": {"x": ["bad"] * LONG, "y": [1.0]}},
        {"dataset": {"x": [["bad"]] * LONG, "y": [1.0]}},
        {"dataset": {"x": [[1.0], ["bad"] * LONG], "y": [1.0]}},
        {"dataset": {"x": [[1.0], *["bad"] * LONG], "y": [1.0]}},
        {"dataset": {"x": [1.0], "y": [[1.0]] * LONG}},
        {"dataset": {"id": ID, "features": [1] * LONG}},
        request_with(predict=[None] * LONG),
        request_with(metadata=dict.fromkeys(map(str, range(LONG)))),
        request_with(hyperparameters={"initial_weights": ["bad"] * LONG}),
        request_with(hyperparameters={"frozen": ["bad"] * LONG}),
        request_with(hyperparameters=dict.fromkeys(map(str, range(LONG)))),
        request_with(**dict.fromkeys(map(str, range(LONG)))),
    ],
)
def test_of_very_many_faults_only_the_first_hundred_are_collected(document: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        JobRequest.model_validate(document)
    assert 100 <= len({error["loc"] for error in raised.value.errors()}) == raised.value.error_count() <= 101


@given(st.lists(NUMBERS, max_size=30) | st.lists(st.lists(NUMBERS, max_size=5) | NUMBERS, min_size=1, max_size=20))
def test_the_first_faults_of_data_are_those_of_a_full_validation(x: list[Any]) -> None:
    kind = list[list[StrictNumber]] if x and isinstance(x[0], list) else list[StrictNumber]
    expected = all_faults(kind, x)[:6]
    with small_pieces():
        found = all_faults(InlineData, {"x": x, "y": [1.0]})
    if expected:
        assert found == [("x", *place) for place in expected]


@given(
    metadata=st.dictionaries(st.text(max_size=2), st.just("right") | st.just(1), max_size=30),
    weights=st.lists(NUMBERS, max_size=30),
    unknown=st.lists(st.text("abc", min_size=1), max_size=20, unique=True),
)
def test_the_first_faults_of_a_request_are_those_of_a_full_validation(
    metadata: dict[str, Any], weights: list[Any], unknown: list[str]
) -> None:
    document = request_with(metadata=metadata, hyperparameters={"initial_weights": weights}, **dict.fromkeys(unknown))
    expected = all_faults(JobRequest, document)
    with small_pieces():
        found = all_faults(JobRequest, document)
    for part in ("hyperparameters", "metadata"):
        places = in_part(found, part)
        assert places[:6] == in_part(expected, part)[:6]
        assert len(places) <= 2 * 6, "an entry has two faults at most: its name's and its value's"
    strangers = [place for place in expected if place[0] in unknown]
    assert [place for place in found if place[0] in unknown][:6] == strangers[:6]


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({"settings": [{"rate": 1.0}] * LONG}, [("settings", index, "rate") for index in range(100)]),
        ({"settings": [dict.fromkeys(map(str, range(LONG)))]}, [("settings", 0, "0")]),
        ({"grid": {str(name): [1.0] for name in range(LONG)}}, [("grid", "0")]),
    ],
    ids=["many settings", "a wide setting", "a wide grid"],
)
def test_of_very_many_unknown_hyperparameters_the_first_are_told(settings: Any, places: Any) -> None:
    assert all_faults(SweepRequest, {"dataset": LECTURE["dataset"]} | settings) == places


def test_what_follows_the_first_faults_is_not_looked_at() -> None:
    seen: list[int] = []

    def check(piece: list[Any]) -> Any:
        seen.append(len(piece))
        return TypeAdapter(list[StrictNumber]).validate_python(piece)

    error = first_of(faults_from(10_000, [1.0] * 20_000 + ["bad"] * 1_000_000, check))

    assert [fault["loc"] for fault in error.errors()] == [(place,) for place in range(20_000, 20_100)]
    assert sum(seen) == 11_000


def in_part(places: list[tuple[str | int, ...]], name: str) -> list[tuple[str | int, ...]]:
    return [place for place in places if place[0] == name and len(place) > 1]


@contextmanager
def small_pieces() -> Iterator[None]:
    """Few faults are told, and pieces are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slope.spec.faults, "MOST_FAULTS", 6)
        patch.setattr(slope.spec.part, "MOST_FAULTS", 6)
        patch.setattr(slope.spec.faults, "_PIECE", 4)
        patch.setattr(slope.spec.part, "MOST_FAULTS", 6)
        patch.setattr(slope.spec.data, "_PIECE", 7)
        yield


def test_a_fault_says_in_a_sentence_what_is_wrong() -> None:
    document = {"dataset": {"x": [[1.0, 2.0], [3.0]], "y": [1.0, 2.0]}}
    assert faults(document) == [Fault("Row 1 has 1 number, row 0 has 2", "/dataset/x/1")]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from([*LECTURE, "x", "y", "id", "optimizer", "epochs", "a"]), inner, max_size=4),
        ),
        max_leaves=12,
    )
)
def test_any_document_is_accepted_or_blamed_at_places_it_has(document: Any) -> None:
    for fault in faults(document):
        value = document
        parts = [part.replace("~1", "/").replace("~0", "~") for part in fault.pointer.split("/")[1:]]
        for place, part in enumerate(parts):
            is_missing = place == len(parts) - 1 and "required" in fault.detail
            value = None if is_missing else value[int(part) if isinstance(value, list) else part]
