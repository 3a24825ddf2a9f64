"""Where and how a program is started: among files of others, by a shell that hides nothing, in a folder of any name."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from e2e.jobs import lecture_request
from e2e.processes import Program
from e2e.services import Service, address_of

SLOPE = str(Path(sys.executable).parent / "slope")
MODULES = (
    "worker",
    "secrets",
    "torch",
    "numpy",
    "json",
    "uuid",
    "random",
    "celeryconfig",
    "billiard",
    "kombu",
    "theirs",
)
MODULES += ("sitecustomize", "usercustomize", "selectors", "psycopg", "pyarrow", "pygraphviz", "yaml", "django")
PACKAGES = ("service", "migrations", "slope")
OTHERS = {
    "APP": "theirs",
    "BROKER_URL": "redis://127.0.0.1:1",
    "CONFIG_MODULE": "celeryconfig",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1",
    "CELERY_CONFIG_MODULE": "celeryconfig",
    "CELERY_LOADER": "default",
    "DJANGO_SETTINGS_MODULE": "theirs.settings",
}
"""Variables of other applications, which Celery and Django read."""
STRANGE = "data ?1%2Fx#ü@:[red]"
SPRUNG = "sprung"


def set_traps(folder: Path) -> None:
    """Files that Python would import from the folder one is in: each leaves a trace."""
    for name in PACKAGES:
        (folder / name).mkdir()
    for file in (*(f"{name}.py" for name in MODULES), *(f"{name}/__init__.py" for name in PACKAGES)):
        (folder / file).write_text(f"open({str(folder / SPRUNG)!r}, 'a').write({file!r})\n")


def sprung(program: Program) -> str:
    trace = program.folder / SPRUNG
    return trace.read_text() if trace.exists() else ""


@contextmanager
def open_to_everybody() -> Iterator[None]:
    """What a shell with umask 0 starts."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def trapped(folder: Path, *arguments: str) -> Program:
    """The installed `slope`, started in a folder full of traps."""
    return Program(folder, SLOPE, *arguments, environment=OTHERS, prepare=set_traps)


def open_paths(folder: Path) -> list[str]:
    """What others may look into."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def test_nothing_of_the_folder_one_starts_in_is_run_and_nobody_else_can_read_what_is_kept(
    folder: Path, tmp_path: Path, lecture: dict[str, Any]
) -> None:
    data = tmp_path / STRANGE
    with open_to_everybody(), trapped(folder, "serve", "--port", "0", "--data-dir", str(data)) as serve:
        service = Service(address_of(serve))
        serve.until(lambda: service.is_ready)
        with service.client as client:
            job = client.wait(client.submit(lecture_request(lecture)).id)
            graph = f"{service.url}/v1/jobs/{job.id}/epochs/0/steps/0/graph"
            picture = httpx2.get(graph, headers={"Accept": "image/svg+xml"}, timeout=60)
        table = httpx2.post(
            f"{service.url}/v1/datasets", content=b"x,y\n1,2\n2,4\n", headers={"Content-Type": "text/csv"}, timeout=60
        )
        with trapped(folder, "doctor", "--data-dir", str(data)) as doctor:
            assert doctor.wait() == 0, doctor.output
        sockets = [path for path in serve.folder.rglob("*") if path.is_socket()]

        assert (job.status, picture.status_code, table.status_code) == ("succeeded", 200, 201)
        assert {"slope.db", "objects", "serve.lock", "broker.url"} <= {path.name for path in data.iterdir()}
        assert not open_paths(data)
        assert sockets
        assert not [path for path in sockets if path.stat().st_mode & 0o077]
        assert (sprung(serve), sprung(doctor)) == ("", "")
        assert serve.end() == 0


@pytest.mark.parametrize("command", [("db", "upgrade"), ("jobs", "reap"), ("doctor",), ("--version",)])
def test_no_command_runs_what_lies_in_the_folder_one_is_in(
    folder: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    options = () if command == ("--version",) else ("--data-dir", str(tmp_path))
    with trapped(folder, *command, *options) as program:
        program.wait()
        assert "Traceback" not in program.log
        assert sprung(program) == ""


@pytest.mark.parametrize(("module", "arguments"), [("service.api", ["--port", "x"]), ("worker", ["x"])])
def test_neither_api_nor_worker_is_looked_for_in_the_folder_one_is_in(
    folder: Path, module: str, arguments: list[str]
) -> None:
    """As `slope api`, `slope worker` and `slope serve` start them. A wrong argument ends them when all is imported."""
    from service.commands.supervisor import python_of

    with Program(folder, *python_of(module), *arguments, environment=OTHERS, prepare=set_traps) as program:
        assert program.wait() != 0
        assert sprung(program) == ""


def test_a_socket_is_found_a_shorter_place_where_the_folder_for_temporary_files_is_too_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    from service.commands.supervisor import runtime_folder

    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with runtime_folder() as place:
        assert len(os.fsencode(place / "broker.sock")) <= 107
        assert place.stat().st_mode & 0o777 == 0o700
    assert not place.exists()


def test_the_doctor_speaks_to_a_terminal_of_ascii(folder: Path, tmp_path: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    with Program(folder, SLOPE, "doctor", "--data-dir", str(tmp_path / "ü"), environment=ascii_only) as doctor:
        assert doctor.wait() == 1
        assert "!! database: is not there" in doctor.output
        assert "\\xfc" in doctor.output
        assert "Traceback" not in doctor.log
