"""What deploy/ brings for Prometheus and Grafana: it asks for metrics and labels that there are."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.monitoring.families import FAMILIES, Family

FOLDER = Path(__file__).parents[3] / "deploy" / "monitoring"
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana/dashboards/slope.json").read_text())
_OTHERS = {"up", "process_resident_memory_bytes"}
"""Prometheus's own, and its client's."""
_ADDED = {"job", "instance"}
"""Labels that Prometheus adds."""
_WORD = re.compile(r"\b(slope_\w+|up|process_\w+)\b(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*[=!]~?\s*\"")
_BY = re.compile(r"\bby \(([^)]*)\)")


def sent() -> dict[str, Family]:
    """By the names of the samples that there are."""
    parts = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
    return {family.name + end: family for family in FAMILIES for end in parts[family.kind]}


def _queries() -> Iterator[Any]:
    for rule in ALERTS:
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


QUERIES = list(_queries())


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_metrics_and_labels_that_there_are(query: str) -> None:
    asked = _WORD.findall(query)
    assert asked
    known = sent()
    assert {name for name, _ in asked} <= known.keys() | _OTHERS
    labels = {label for name, _ in asked if name in known for label in known[name].labels} | _ADDED | {"le"}
    named = {label for _, chosen in asked for label in _LABEL.findall(chosen)}
    named |= {label.strip() for group in _BY.findall(query) for label in group.split(",")}
    assert named <= labels


@pytest.mark.parametrize("query", QUERIES)
def test_what_every_api_process_says_alike_is_not_added_up(query: str) -> None:
    """It is read from SQL: two processes would double it."""
    of_process = {"slope_http_request_seconds", "slope_http_requests_in_progress"}
    for name in re.findall(r"\bsum(?: by \([^)]*\) )?\((?:rate\()?(slope_\w+)", query):
        assert sent()[name].name in of_process


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


def test_every_metric_of_ours_is_looked_at_by_the_dashboard_or_an_alert() -> None:
    asked = {name for param in QUERIES for name, _ in _WORD.findall(param.values[0])}
    looked_at = {sent()[name].name for name in asked if name in sent()}
    assert {family.name for family in FAMILIES} - looked_at == {"slope_build_info"}


@pytest.mark.skipif(
    not shutil.which("promtool") and "CI" not in os.environ,
    reason="promtool, of Debian's package prometheus, is not here",
)
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "--syntax-only", "prometheus.yml"),  # the file of the token is the container's
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=["configuration", "rules", "trial"],
)
def test_promtool_finds_nothing_wrong(command: tuple[str, ...]) -> None:
    checked = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
