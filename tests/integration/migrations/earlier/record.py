"""Records what Slope left in its database at each earlier schema.

`python tests/integration/migrations/earlier/record.py COMMIT…`.

For each commit its own code serves, trains two jobs, gives one a name and makes a key and a webhook, as far as it can,
and ends. All rows go into REVISION.json beside this file, and the objects of datasets with them. Name the last commit
before the next migration.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from urllib.error import HTTPError
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
        with checked_out(commit) as tree:
            data = tree.parent / "data"
            _train(tree, data)
            _write(data)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder within a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", tree, commit], check=True, capture_output=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)


def _train(tree: Path, data: Path) -> None:
    """By the service of that commit. The data differ: once, no two datasets could have the same content."""
    number = len(list((tree / "migrations" / "versions").glob("0*.py")))
    with serving(tree, "--data-dir", str(data)) as url:
        for request in (LECTURE, TWO_FEATURES):
            request["dataset"]["y"][2:] = [6.0 + number / 16]  # type: ignore[index]
            job = ask(f"{url}/v1/jobs", request)
            while (job := ask(f"{url}/v1/jobs/{job['id']}"))["status"] != "succeeded":
                sleep(0.2)
        ask_if_there("PUT", f"{url}/v1/aliases/champion-{number}", {"job": job["id"]})
        ask_if_there("POST", f"{url}/v1/keys", {"name": f"key-{number}"})
        webhook = {"url": "https://example.org/slope", "events": ["job.failed"], "name": f"webhook-{number}"}
        ask_if_there("POST", f"{url}/v1/webhooks", webhook)


@contextmanager
def serving(tree: Path, *options: str, **environment: str) -> Iterator[str]:
    """The address of a service of that code, while the block lasts."""
    command = [*slope(tree), "serve", "--port", "0", *options]
    variables = {"PYTHONPATH": str(tree), **environment}
    with subprocess.Popen(command, cwd=tree, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as serve:
        try:
            yield next(found[0] for line in serve.stdout or () if (found := re.search(r"http://\S+:\d+", line)))
        finally:
            serve.send_signal(signal.SIGINT)


def slope(tree: Path) -> list[str]:
    """The command of that code."""
    module, _, name = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]["slope"].partition(":")
    return [sys.executable, "-c", f"import sys; from {module} import {name}; sys.exit({name}())"]


def ask(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read() or "{}")
    return found


def ask_if_there(method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Nothing is done where there is no such call yet."""
    try:
        return ask(url, body, method)
    except HTTPError as error:
        if error.code not in (404, 405):
            raise
        return {}


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
