"""Records what Slope left in its database at each earlier schema: `python tests/integration/earlier/record.py COMMIT…`.

For each commit its own code serves, trains two jobs, and ends. All rows go into REVISION.json beside this file, and
the objects of datasets with them. Name the last commit before the next migration.
"""

import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from time import sleep
from typing import Any
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
LECTURE = {
    "name": "lecture",
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0]},
    "hyperparameters": {
        "epochs": 10,
        "learning_rate": 0.01,
        "batch_size": 1,
        "fit_bias": False,
        "initial_weights": [1.0],
    },
    "predict": [4.0],
}
TWO_FEATURES = {
    "dataset": {"x": [[1.0, 2.0], [0.5, 0.0], [-1.0, 4.0]], "y": [1.0, 2.0]},
    "hyperparameters": {"epochs": 3, "learning_rate": 0.01, "batch_size": "full", "optimizer": {"name": "adam"}},
}


def main(commits: list[str]) -> None:
    for commit in commits:
        with tempfile.TemporaryDirectory() as folder:
            tree, data = Path(folder) / "tree", Path(folder) / "data"
            subprocess.run(["git", "worktree", "add", "--detach", tree, commit], check=True, capture_output=True)
            try:
                _train(tree, data)
            finally:
                subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
            _write(data)


def _train(tree: Path, data: Path) -> None:
    """By the service of that commit. The data differ: once, no two datasets could have the same content."""
    number = len(list((tree / "migrations" / "versions").glob("0*.py")))
    module, _, name = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]["slope"].partition(":")
    program = f"import sys; from {module} import {name}; sys.exit({name}())"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--data-dir", str(data)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True) as serve:
        try:
            url = next(found[0] for line in serve.stdout or () if (found := re.search(r"http://\S+:\d+", line)))
            for request in (LECTURE, TWO_FEATURES):
                request["dataset"]["y"][2:] = [6.0 + number / 16]  # type: ignore[index]
                job = _ask(f"{url}/v1/jobs", request)
                while (job := _ask(f"{url}/v1/jobs/{job['id']}"))["status"] != "succeeded":
                    sleep(0.2)
        finally:
            serve.send_signal(signal.SIGINT)


def _ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    content = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, content, {"Content-Type": "application/json"}), timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _write(data: Path) -> None:
    connection = sqlite3.connect(data / "slope.db")
    connection.row_factory = sqlite3.Row
    tables = [row["name"] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {table: [_plain(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables}
    [[revision]] = [list(row.values()) for row in rows.pop("alembic_version")]
    rows.pop("workers")
    objects = {each.name: base64.b64encode(each.read_bytes()).decode() for each in (data / "objects").glob("*")}
    recorded = {"rows": {table: some for table, some in rows.items() if some}, "objects": objects}
    (HERE / f"{revision}.json").write_text(json.dumps(recorded, indent=0) + "\n")
    print(revision, {table: len(some) for table, some in recorded["rows"].items()}, list(objects))


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: {"base64": base64.b64encode(row[name]).decode()} if isinstance(row[name], bytes) else row[name]
        for name in row.keys()  # noqa: SIM118  # of a row of SQLite
    }


if __name__ == "__main__":
    main(sys.argv[1:])
