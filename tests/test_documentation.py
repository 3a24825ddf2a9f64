"""The documentation is built from the code and from pages whose links lead somewhere, without a network."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.models import OptionInfo

from service.commands.remote.connection import Url
from service.settings import Settings
from slope.client.exchange.address import KEY_VARIABLE
from slope.spans import parse_span

ROOT = Path(__file__).parents[1]
_SETTING = re.compile(r"SLOPE_[A-Z_]+[A-Z]")
_PATH = re.compile(r"`((?:docs|migrations|service|slope|tests|worker)/[\w/.]+)`")
_ENTRY = re.compile(r"(?<!/)\b(\w+\.py)\b|^ *(\w+)/ ", re.MULTILINE)


def test_the_site_is_built_and_every_link_leads_somewhere() -> None:
    built = subprocess.run(
        [sys.executable, ROOT / "docs" / "build.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (ROOT / "build" / "site" / "index.html").exists()


def test_a_length_of_time_is_told_as_a_setting_has_it() -> None:
    span_as_set = runpy.run_path(str(ROOT / "docs" / "reference.py"))["span_as_set"]
    written = ["30d", "12h", "25h", "90m"]
    assert [span_as_set(parse_span(text)) for text in written] == written


def test_every_relative_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/explanation/architecture.md"])
def test_the_pages_on_the_house_name_only_what_is_there(page: str) -> None:
    paths = _PATH.findall((ROOT / page).read_text())
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", ["slope", "service", "worker"])
def test_the_tree_of_the_guide_names_only_what_is_in_its_package(package: str) -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text().split("```")[1]
    (part,) = re.findall(rf"^{package}/.*\n(?: .*\n)+", tree, re.MULTILINE)
    there = {path.name for path in (ROOT / package).rglob("*")} | {package}
    assert [name for found in _ENTRY.findall(part) if (name := "".join(found)) not in there] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_of_the_house_has_the_arrows_that_are_in_the_code(theme: str) -> None:
    """`python docs/draw_architecture.py` draws it anew."""
    code = runpy.run_path(str(ROOT / "docs" / "draw_architecture.py"))
    drawn = re.findall(
        r"<title>(\w+)&#45;&gt;(\w+)</title>", (ROOT / f"docs/graphs/architecture-{theme}.svg").read_text()
    )
    assert set(drawn) == code["_reduced"](code["_imports"]())


def test_commands_are_run_by_a_test_or_say_why_not() -> None:
    """Blocks of `sh` are run as they are printed (e2e/test_documents.py); `console` has a shortened answer, too."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    kinds = {kind for page in pages for kind in re.findall(r"^```(\w+)", page.read_text(), re.MULTILINE)}
    assert not kinds & {"bash", "shell", "zsh"}


def test_every_setting_that_is_named_exists() -> None:
    """As a field, as the address or the key of commands and clients, or as a variable of docker-compose.yml."""
    [address] = [each for each in get_args(Url) if isinstance(each, OptionInfo)]
    known = {f"SLOPE_{name.upper()}" for name in Settings.model_fields} | {str(address.envvar), KEY_VARIABLE}
    known |= set(_SETTING.findall((ROOT / "docker-compose.yml").read_text()))
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assert {name for page in pages for name in _SETTING.findall(page.read_text())} <= known
