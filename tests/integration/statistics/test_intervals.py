"""Intervals of predictions, of points and of datasets, in every format, held against statsmodels."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import statsmodels.api as sm
from fastapi.testclient import TestClient
from integration.prediction.test_predictions import KINDS, add_dataset, decoded, predict
from workbench import LECTURE, problem_of, submit

from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]
ENDS = {"prediction": "obs_ci", "confidence": "mean_ci"}


@pytest.mark.parametrize("kind", ENDS)
def test_every_format_has_the_intervals_of_statsmodels(
    kind: str, client: TestClient, database: Database, trained: Trained
) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 2))
    y = x @ [1, -2] + 3 + random.normal(size=40)
    dataset = {"id": str(add_dataset(database, {"a": x[:, 0], "b": x[:, 1], "y": y}))}
    spec = {"epochs": 3, "learning_rate": 0.1, "batch_size": "full", "dtype": "float64", "standardize": True}
    job_id = trained({"dataset": dataset, "hyperparameters": spec})
    asked = {"kind": kind, "level": 0.9}
    design = sm.add_constant(x)
    frame = sm.OLS(y, design).fit().get_prediction(design).summary_frame(0.1)

    rows = decoded(predict(client, job_id, dataset=dataset, interval=asked), "json")

    for end in ("lower", "upper"):
        assert [row[end] for row in rows] == pytest.approx(frame[f"{ENDS[kind]}_{end}"].tolist(), rel=1e-9)
    for format in KINDS:
        assert decoded(predict(client, job_id, format, dataset=dataset, interval=asked), format) == rows
        points = decoded(predict(client, job_id, format, x=x.tolist(), interval=asked), format)
        for end in ("lower", "upper"):
            assert [row[end] for row in points] == pytest.approx([row[end] for row in rows], rel=1e-12)
    early = decoded(predict(client, job_id, x=x.tolist(), interval=asked, epoch=0), "json")
    assert [row["upper"] for row in early] == pytest.approx([row["upper"] for row in rows], rel=1e-12)
    assert "lower" not in decoded(predict(client, job_id, x=x.tolist()), "json")[0]


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_a_level_belongs_between_0_and_1(level: float, client: TestClient, trained: Trained) -> None:
    answer = predict(client, trained(LECTURE), x=[4.0], interval={"kind": "prediction", "level": level})
    assert problem_of(answer, 422)["errors"][0]["pointer"] == "/interval/level"


def test_a_ridge_has_no_intervals_and_says_why(client: TestClient, trained: Trained) -> None:
    job_id = trained({"dataset": {"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 3.0]}, "hyperparameters": {"l2": 0.1}})
    problem = problem_of(predict(client, job_id, x=[4.0], interval={"kind": "confidence"}), 422)
    assert problem["errors"][0]["pointer"] == "/interval"
    assert "biased" in problem["detail"]


def test_a_job_that_has_not_finished_has_no_intervals(client: TestClient, database: Database) -> None:
    problem_of(predict(client, submit(database), x=[4.0], interval={"kind": "confidence"}), 409)
