"""Lengths of time: every command and every setting takes the same spellings."""

from datetime import timedelta

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from service.commands.spans import read_span
from service.settings import Settings
from slope.spans import parse_span

SPANS = {"d": "days", "h": "hours", "m": "minutes", "min": "minutes", "s": "seconds"}


@settings(deadline=None)
@given(count=st.integers(0, 99_999), unit=st.sampled_from(sorted(SPANS)), gap=st.sampled_from(["", " "]))
def test_a_number_and_a_unit_are_a_length_of_time(count: int, unit: str, gap: str) -> None:
    span = timedelta(**{SPANS[unit]: count})

    assert parse_span(f" {count}{gap}{unit}\n") == span
    assert read_span(f"{count}{unit}", plain="hours") == span


def test_settings_take_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOPE_JOB_RETENTION", "45s")

    assert Settings().job_retention == timedelta(seconds=45)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5d", "1w", "1d2h", "٣d", "100000d", "99999999d", "soon"])
def test_what_is_no_length_of_time_is_refused_with_how_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"30d for days, 12h|which is the longest"):
        parse_span(text)
    with pytest.raises(typer.BadParameter, match=r"30d for days, 12h|which is the longest"):
        read_span(text, "--older-than")


def test_a_refusal_names_every_unit() -> None:
    with pytest.raises(ValueError, match="30d for days, 12h for hours, 90m for minutes, 45s for seconds"):
        parse_span("soon")


@pytest.mark.parametrize(("text", "hours"), [("48", 48), ("0", 0), ("0.5", 0.5)])
def test_a_number_alone_means_hours_where_it_did_before(text: str, hours: float) -> None:
    assert read_span(text, "--overlap", plain="hours") == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e9", "123456789"])
def test_what_is_no_plain_number_is_refused_there_too(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="30d for days"):
        read_span(text, "--overlap", plain="hours")
