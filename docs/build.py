"""Builds the documentation's site, without a network: python docs/build.py, or `make docs`. It lands in build/site.

Links and anchors that lead nowhere end the build.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from reference import PAGES

ROOT = Path(__file__).parents[1]
PAGES_FOLDER = ROOT / "build" / "docs"


def main() -> None:
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES_FOLDER, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for path, page in PAGES.items():
        (PAGES_FOLDER / path).parent.mkdir(exist_ok=True)
        (PAGES_FOLDER / path).write_text("\n".join(page()) + "\n")
    sys.exit(subprocess.call([sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=ROOT))


if __name__ == "__main__":
    main()
