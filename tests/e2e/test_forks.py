"""Children of a worker are forked from a process that uses the database: SQLite does not bear to be carried over."""

import sys
from pathlib import Path

from e2e.processes import Program


def test_a_child_that_is_born_while_its_parent_writes_finds_sqlite_unlocked(folder: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("forking.py")
    environment = {"SLOPE_DATA_DIR": str(tmp_path), "SLOPE_REAP_SECONDS": "0.001"}
    with Program(folder, sys.executable, str(script), environment=environment) as program:
        assert program.wait() == 0, program.log
