"""The planner learns from what jobs took: by pairs that were recorded, never by the clock."""

import json
from pathlib import Path
from statistics import median

import pytest

from slope.answers.plan import EngineOption, Plan
from slope.engines.costs import Ended, learn
from slope.engines.plan import estimate, estimate_option, plan
from slope.spec import TrainingSpec

RECORDED = [Ended(*pair) for pair in json.loads(Path(__file__).with_name("recorded_jobs.json").read_text())]
"""By `python -m benchmarks.estimates`, on a machine that others were at work on as well."""
ENGINES = sorted({job.engine for job in RECORDED})


def planned() -> Plan:
    return plan(TrainingSpec(learning_rate=0.01), 100, 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_estimate_by_the_other_jobs_of_an_engine_is_within_a_factor_of_two(engine: str) -> None:
    mine = [job for job in RECORDED if job.engine == engine]
    assert len(mine) >= 5
    for index, job in enumerate(mine):
        others = [*mine[:index], *mine[index + 1 :]]
        assert 0.5 <= job.took / (job.reckoned * learn(others)[engine]) <= 2, job


def test_jobs_were_recorded_of_every_engine() -> None:
    assert ENGINES == ["compiled", "composed", "eager", "fused", "reduced"]


def test_one_slow_job_does_not_change_what_is_learnt() -> None:
    steady = [Ended("eager", 0.1, 0.2)] * 4
    assert learn([Ended("eager", 0.1, 90.0), *steady]) == {"eager": 2.0}


def test_of_few_jobs_or_brief_ones_nothing_is_learnt() -> None:
    assert learn([Ended("eager", 0.1, 0.2)] * 2) == {}
    assert learn([Ended("eager", 1e-4, 0.2), Ended("eager", 0.2, 1e-4)] * 9) == {}


def test_the_last_jobs_count_and_each_engine_for_itself() -> None:
    jobs = [Ended("eager", 0.1, 0.3)] * 30 + [Ended("eager", 0.1, 0.9)] * 90 + [Ended("compiled", 0.1, 0.1)] * 3
    assert learn(jobs) == pytest.approx({"eager": 3.0, "compiled": 1.0})


def test_what_is_learnt_is_bounded() -> None:
    assert learn([Ended("eager", 0.001, 9000.0)] * 3) == {"eager": 100.0}


def test_a_plan_by_experience_keeps_all_but_its_seconds_and_can_be_learnt_from() -> None:
    before = planned()
    after = estimate(before, {"eager": 3.0, "compiled": 9.0})
    assert after.estimated_seconds == pytest.approx(3 * before.estimated_seconds)
    assert (after.engine, after.why, after.experience) == (before.engine, before.why, 3.0)
    assert Ended.of(after, 1.0).reckoned == pytest.approx(before.estimated_seconds)


def test_an_option_that_does_not_apply_has_no_seconds() -> None:
    assert estimate_option(EngineOption("reduced", False, "No"), {"reduced": 2.0}).estimated_seconds is None
    assert estimate_option(EngineOption("reduced", True, "", 1.5), {"reduced": 2.0}).estimated_seconds == 3.0


def test_experience_of_the_recorded_jobs_is_their_median() -> None:
    for engine in ENGINES:
        factors = [job.took / job.reckoned for job in RECORDED if job.engine == engine]
        assert learn(RECORDED)[engine] == pytest.approx(median(factors))
