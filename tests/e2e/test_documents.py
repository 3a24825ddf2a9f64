"""Every command and every Python program of the README and of the documentation runs, as it is printed.

What cannot run here says so in its first line: `# needs docker`. So a reader sees why, and it is left out.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.services import Serve, Service

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(sh|python)\n(?!# needs )(.*?)^```", re.MULTILINE | re.DOTALL)
_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [str(page.relative_to(ROOT)) for page in _PAGES if _BLOCK.search(page.read_text())]
_ADDRESS = "http://127.0.0.1:8000"
_FAIL_ON_PROBLEMS = """set -eu -o pipefail
curl() {
  case "$*" in
    *http_code*) command curl "$@" ;;  # who prints the status expects one that is no success
    *) command curl --fail-with-body --no-progress-meter "$@" ;;
  esac
}
"""


@pytest.fixture
def newcomer(tmp_path: Path, serve: Serve) -> Path:
    """The folder of the clone, and the home, of somebody whose service keeps its data at the usual place."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    usual = tmp_path / ".local" / "share"
    usual.mkdir(parents=True)
    (usual / "slope").symlink_to(serve.folder)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_document_runs_as_it_is_printed(serve: Service, document: str, newcomer: Path) -> None:
    _run(document, serve, newcomer)


def test_what_the_documentation_backs_up_can_be_restored(serve: Serve, newcomer: Path) -> None:
    with serve.client as client:
        job = client.wait(client.submit({"dataset": {"x": [1, 2], "y": [2, 4]}}).id)
    _run("docs/how-to/back-up.md", serve, newcomer)
    with Serve(newcomer / "slope-restored") as restored, restored.start().client as client:
        assert client.job(job.id).weights == job.weights
        again = client.wait(client.submit({"dataset": {"id": job.dataset.id}}).id)
        assert again.weights == job.weights


def _run(document: str, serve: Service, home: Path) -> None:
    blocks = [_as_shell(*block) for block in _BLOCK.findall((ROOT / document).read_text())]
    script = _FAIL_ON_PROBLEMS + "\n".join(blocks).replace(_ADDRESS, serve.url)
    # of the tests' own settings a newcomer has none
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_DATA", "SLOPE_"))}
    environment |= {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["SLOPE_URL"] = serve.url  # for programs that name no address: the usual one is taken, perhaps
    ran = subprocess.run(
        ["bash", "-c", script], cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def _as_shell(language: str, block: str) -> str:
    return block if language == "sh" else f"python - <<'END OF PROGRAM'\n{block}END OF PROGRAM\n"
