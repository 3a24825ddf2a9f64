"""What the commands print of a job, for people."""

import json
from typing import Any

import pytest

from service.api.document.openapi import ANSWERS
from service.commands.remote.printed_job import print_job
from slope.answers.jobs import JobView

[JOB] = json.loads(ANSWERS.read_bytes())["get_job"].values()
ERRORS: dict[str, Any] = {
    "mean_squared_error": 4.0,
    "root_mean_squared_error": 2.0,
    "mean_absolute_error": 1.5,
    "r_squared": 0.75,
}
FOLDS: dict[str, Any] = {
    "folds": 2,
    "mean_squared_error": 9.0,
    "standard_deviation": 1.0,
    "standard_error": 0.5,
    "r_squared": 0.5,
    "per_fold": [{"rows": 3} | ERRORS, {"rows": 5} | ERRORS],
    "note": "Of the exact solution.",
}


def test_how_well_a_job_predicts_is_told_of_every_kind_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {
        "training": {"rows": 8} | ERRORS,
        "validation": None,
        "test": {"rows": 2} | ERRORS | {"r_squared": 0.25},
        "note": None,
        "cross_validation": FOLDS,
    }
    print_job(JobView.model_validate(JOB | {"metrics": metrics}))
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines()]
    assert ["training", "8", "2", "1.5", "0.75"] in rows
    assert ["test", "2", "2", "1.5", "0.25"] in rows
    assert ["2", "folds", "8", "3", "–", "0.5"] in rows
    assert not any("validation" in row for row in rows)
    assert "2 folds: Of the exact solution." in said.err


def test_a_job_without_metrics_is_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_job(JobView.model_validate(JOB | {"metrics": None}))
    assert "R²" not in capsys.readouterr().out
