"""Every command of the README and of the tutorials runs, as it is printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.services import Service

ROOT = Path(__file__).parents[2]
DOCUMENTS = [Path("README.md"), *(path.relative_to(ROOT) for path in sorted(ROOT.glob("docs/tutorials/*.md")))]
_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OWN_ADDRESS = "URL=http://127.0.0.1:8000\n"
_FAIL_ON_PROBLEMS = 'set -eu -o pipefail\ncurl() { command curl --fail-with-body --no-progress-meter "$@"; }\n'


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_command_of_a_document_runs_as_it_is_printed(serve: Service, document: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    script = "\n".join(_COMMANDS.findall((ROOT / document).read_text()))
    assert _OWN_ADDRESS in script
    script = _FAIL_ON_PROBLEMS + script.replace(_OWN_ADDRESS, f"URL={serve.url}\n")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
