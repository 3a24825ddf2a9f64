"""The Helm chart, as helm renders it: Kubernetes takes it, and nothing runs as root or with a password in sight."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings

HELM = Path(sys.executable).parent / "helm"
CHART = Path(__file__).parents[2] / "deploy" / "helm" / "slope"
PASSWORDS = ("of-the-database", "of-the-broker")
GIVEN = {
    "database.url": f"postgresql://slope:{PASSWORDS[0]}@db/slope",
    "broker.url": f"redis://:{PASSWORDS[1]}@redis:6379/0",
}
GPU = {
    "workers.gpu.device": "cuda",
    "workers.gpu.resources.limits.nvidia\\.com/gpu": "1",
    "workers.gpu.autoscaling.enabled": "true",
    "workers.gpu.autoscaling.min": "0",
    "workers.gpu.autoscaling.max": "4",
    "workers.gpu.autoscaling.ageSeconds": "30",
}
pytestmark = pytest.mark.skipif(
    not HELM.exists() and "CI" not in os.environ, reason="there is no helm: `python tests/chart/install.py` fetches it"
)
WAYS = {
    "as it is": {},
    "every part": GPU | {"ingress.enabled": "true", "metricsToken": "word", "ingress.className": "nginx"},
    "a bucket and a secret of one's own": {"storage.url": "s3://bucket/slope", "existingSecret": "mine"},
}


@cache
def rendered(way: str) -> list[dict[str, Any]]:
    given = [f"--set={name}={value}" for name, value in (GIVEN | WAYS[way]).items()]
    told = subprocess.run([HELM, "template", "slope", CHART, *given], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return [each for each in yaml.safe_load_all(told.stdout) if each]


def pods(way: str) -> Iterator[dict[str, Any]]:
    yield from (each["spec"]["template"]["spec"] for each in rendered(way) if "template" in each.get("spec", {}))


def kinds(way: str) -> list[str]:
    return [each["kind"] for each in rendered(way)]


@pytest.mark.parametrize("way", WAYS)
def test_kubernetes_takes_every_object(way: str) -> None:
    for each in rendered(way):
        if each["kind"] != "ScaledObject":  # KEDA's own
            kubernetes_validate.validate(each, "1.33", strict=True)


@pytest.mark.parametrize("way", WAYS)
def test_every_container_is_confined_and_bounded(way: str) -> None:
    for pod in pods(way):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod["initContainers"], *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]


@pytest.mark.parametrize("way", WAYS)
def test_no_password_is_outside_of_the_secret_and_every_variable_is_a_setting(way: str) -> None:
    known = {f"SLOPE_{name.upper()}" for name in Settings.model_fields} | {"SLOPE_SECRETS_DIR"}
    for each in rendered(way):
        if each["kind"] != "Secret":
            assert not any(word in yaml.safe_dump(each) for word in PASSWORDS)
    for pod in pods(way):
        for container in pod["containers"]:
            assert {each["name"] for each in container["env"]} <= known


def test_the_secret_s_keys_are_settings_in_files() -> None:
    [secret] = [each for each in rendered("every part") if each["kind"] == "Secret"]

    assert {name.removeprefix("slope_") for name in secret["stringData"]} <= Settings.model_fields.keys()


def test_each_kind_of_device_has_workers_that_scale_by_the_age_of_its_queue() -> None:
    [scaled] = [each for each in rendered("every part") if each["kind"] == "ScaledObject"]
    names = {each["metadata"]["name"] for each in rendered("every part") if each["kind"] == "Deployment"}
    [trigger] = scaled["spec"]["triggers"]

    assert names == {"slope-api", "slope-worker-cpu", "slope-worker-gpu"}
    assert scaled["spec"]["scaleTargetRef"]["name"] == "slope-worker-gpu"
    assert trigger["metadata"]["query"] == 'max(slope_oldest_queued_seconds{device=~"cuda"})'


def test_parts_are_there_where_they_are_asked_for() -> None:
    assert "Ingress" not in kinds("as it is")
    assert "Ingress" in kinds("every part")
    assert "PersistentVolumeClaim" in kinds("as it is")
    assert not {"PersistentVolumeClaim", "Secret"} & set(kinds("a bucket and a secret of one's own"))
    assert {"PodDisruptionBudget", "NetworkPolicy", "Job", "Service"} <= set(kinds("as it is"))


def test_without_a_database_the_chart_says_what_is_missing() -> None:
    told = subprocess.run([HELM, "template", "slope", CHART], capture_output=True, text=True, check=False)
    assert "say database.url, or existingSecret" in told.stderr
