"""`python -m faults`: every kind of fault at many random moments, then a crowd of jobs under constant killing."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from conftest import _pgserver
from e2e.processes import left_over
from rich.console import Console

from faults import hosts, matrix, soak
from faults.cuts import CUTS
from faults.kinds import FAULTS
from faults.neighbours import NEIGHBOURS
from faults.postgres import OwnPostgreSQL
from faults.spread import spread
from faults.stage import Stage

console = Console(highlight=False, width=120)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=20, help="of every kind on PostgreSQL")
    parser.add_argument("--sqlite-trials", type=int, default=5, help="of the main kinds on SQLite")
    parser.add_argument("--host-trials", type=int, default=5, help="of every cut between hosts")
    parser.add_argument("--jobs", type=int, default=1000, help="of the crowd")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--only", default="", help="kinds that have one of these, between commas, in their name")
    chosen = parser.parse_args()
    started = monotonic()
    reports = []
    for title, trials, kinds in (
        ("PostgreSQL and Valkey", chosen.trials, FAULTS),
        ("SQLite and Valkey", chosen.sqlite_trials, matrix.ON_SQLITE),
    ):
        wanted = {name: fault for name, fault in kinds.items() if _is_wanted(name, chosen.only)}
        if trials and wanted:
            with stage(is_sqlite=title.startswith("SQLite"), seed=chosen.seed) as here:
                reports += matrix.run(title, here, wanted, trials, console)
    if chosen.trials and _is_wanted(matrix.SERVE_KILLED, chosen.only):
        with folders() as (folder, _):
            reports.append(matrix.run_serve(folder, chosen.trials, chosen.seed, console))
    wanted = {name: cut for name, cut in (CUTS | NEIGHBOURS).items() if _is_wanted(name, chosen.only)}
    if chosen.host_trials and wanted:
        if reason := hosts.missing():
            console.print(f"Left out, with {len(wanted)} kinds of cuts: {reason}")
        else:
            with folders() as (folder, socket_path), spread(folder, socket_path, seed=chosen.seed) as here:
                reports += matrix.run("hosts of their own", here, wanted, chosen.host_trials, console)
    if reports:
        console.print(matrix.table(reports))
    is_well = all(report.is_well for report in reports)
    if chosen.jobs:
        with stage(workers=4, seed=chosen.seed, settings=soak.SETTINGS) as here:
            result = soak.run(here, chosen.jobs)
        console.print(str(result))
        is_well = is_well and result.is_well
    console.print(f"{monotonic() - started:.0f} s in all.")
    sys.exit(0 if is_well and not left_over() else 1)


def _is_wanted(kind: str, words: str) -> bool:
    return any(word.strip().lower() in kind.lower() for word in words.split(","))


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    """A folder for files, and a short path for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="slope-faults-"))
    folder.chmod(0o755)
    try:
        yield folder, folder / "broker.sock"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stage(
    *, is_sqlite: bool = False, workers: int = 2, seed: int, settings: dict[str, str] | None = None
) -> Iterator[Stage]:
    with folders() as (folder, socket_path):
        if is_sqlite:
            with Stage(folder, socket_path, workers=workers, seed=seed, settings=settings) as here:
                yield here
            return
        with (
            OwnPostgreSQL(folder / "postgresql", _pgserver(folder)) as postgresql,
            Stage(folder, socket_path, postgresql=postgresql, workers=workers, seed=seed, settings=settings) as here,
        ):
            yield here


if __name__ == "__main__":
    main()
