"""Where a service listens decides whether it asks for keys; and the commands that make them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer import Exit
from typer.testing import CliRunner

from service.access.audit import AuditLog, Deed
from service.access.exposure import key_command, settle_auth
from service.access.keys import create_key, get_key_called, revoke_key, rotate_key
from service.commands.cli import app
from service.commands.remote.connection import answering
from service.errors import NoKeys
from service.settings import Settings, get_settings
from service.store.database import Database
from slope.client import Problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
@pytest.mark.parametrize("auth", ["off", "required", None])
def test_on_loopback_nobody_is_asked_unless_that_is_set(
    settings: Settings, database: Database, host: str, auth: str | None
) -> None:
    chosen = settings.model_copy(update={"auth": auth})
    assert settle_auth(chosen, database, host, insecure=False) == (auth or "off")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "slope.example"])
def test_on_other_addresses_it_starts_with_a_key_or_on_demand(
    settings: Settings, database: Database, host: str
) -> None:
    off, required = (settings.model_copy(update={"auth": auth}) for auth in ("off", "required"))

    for refused in (settings, off):
        with pytest.raises(NoKeys, match="Other machines reach"):
            settle_auth(refused, database, host, insecure=False)
    assert settle_auth(settings, database, host, insecure=True) == "off"
    assert settle_auth(required, database, host, insecure=True) == "required"

    made = create_key(database, "alice", "read")
    assert settle_auth(settings, database, host, insecure=False) == "required"
    with pytest.raises(NoKeys):
        settle_auth(off, database, host, insecure=False)
    revoke_key(database, made.key.id)
    with pytest.raises(NoKeys):
        settle_auth(settings, database, host, insecure=False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"data_dir": "/data/slope's own"}, """ --data-dir '/data/slope'"'"'s own'"""),
        ({"data_dir": "/data", "database_url": "postgresql://somewhere/slope"}, ""),
        ({}, ""),
    ],
    ids=["folder", "database", "default"],
)
def test_the_command_that_makes_a_key_makes_it_in_this_service_s_database(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: str
) -> None:
    monkeypatch.delenv("SLOPE_DATA_DIR", raising=False)
    monkeypatch.delenv("SLOPE_DATABASE_URL", raising=False)
    assert key_command(Settings(**given)) == f"slope keys create NAME --scope admin{named}"


@pytest.mark.parametrize(
    ("auth", "said"),
    [("off", "SLOPE_AUTH=off asks nobody"), (None, "127.0.0.1 alone asks nobody"), ("required", None)],
    ids=["off", "by address", "required"],
)
def test_whoever_makes_a_key_is_told_where_nobody_is_asked_for_it(
    slope: CliRunner, monkeypatch: pytest.MonkeyPatch, auth: str | None, said: str | None
) -> None:
    if auth:
        monkeypatch.setenv("SLOPE_AUTH", auth)
    made = slope.invoke(app, ["keys", "create", "alice"])
    assert made.stdout.startswith("slope_")
    assert ("asks nobody" in made.stderr) == (said is not None)
    assert (said or "") in made.stderr


@pytest.fixture
def slope(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("SLOPE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SLOPE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("service.startup.begin", get_settings)  # which also sends the logs of this process elsewhere
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


def test_a_key_is_made_listed_rotated_and_revoked_by_commands(slope: CliRunner, database: Database) -> None:
    made = slope.invoke(app, ["keys", "create", "alice", "--scope", "train", "--expires", "90d", "--json"])
    key = json.loads(made.stdout)
    assert (key["owner"], key["scope"], key["state"]) == ("alice", "train", "valid")
    assert key["key"].startswith(f"slope_{key['id']}_")

    new = slope.invoke(app, ["keys", "rotate", "alice", "--overlap", "1h"]).stdout.strip()
    assert new.startswith("slope_")
    assert slope.invoke(app, ["keys", "revoke", "alice"]).exit_code == 0

    lines = slope.invoke(app, ["keys", "list", "--json"]).stdout.splitlines()
    told = {each["id"]: each for each in map(json.loads, lines)}
    assert told[key["id"]]["replaced_by"] in told
    assert [each["state"] for each in told.values()] == ["revoked", "revoked"]
    with database.reading() as session:
        assert get_key_called(session, "alice").revoked_at
    shown = slope.invoke(app, ["keys", "list"]).stdout
    assert new not in shown
    assert all(each["expires_at"][:16].replace("T", " ") in shown for each in told.values())
    assert slope.invoke(app, ["keys", "log", "alice", "--json"]).stdout == ""


def test_the_log_of_a_name_goes_on_where_its_key_was_rotated(slope: CliRunner, database: Database) -> None:
    old = create_key(database, "alice", "train")
    new, other = rotate_key(database, old.key.id), create_key(database, "bob", "train")
    for made, address in ((old, "/v1/jobs"), (new, "/v1/sweeps"), (other, "/v1/datasets")):
        AuditLog(database).write([Deed(made.key.id, made.key.owner, "POST", address, None, 202)])

    def told(*called: str) -> list[tuple[str, str]]:
        lines = slope.invoke(app, ["keys", "log", *called, "--json"]).stdout.splitlines()
        return [(each["key"], each["address"]) for each in map(json.loads, lines)]

    assert told("alice") == [("alice", "/v1/sweeps"), ("alice", "/v1/jobs")]
    assert told(old.key.id) == [("alice", "/v1/jobs")]
    assert told()[0] == ("bob", "/v1/datasets")
    shown = slope.invoke(app, ["keys", "log"]).stdout
    assert "bob" in shown
    assert other.key.id not in shown
    assert slope.invoke(app, ["keys", "log", "nobody"]).exit_code != 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a b"], "letters"),
        (["create", "alice", "--scope", "all"], "read, train, admin"),
        (["create", "alice", "--expires", "soon"], "or a date as"),
        (["create", "alice", "--expires", "2001-01-01"], "past"),
        (["create", "alice", "--owner", "-"], "Invalid value for --owner"),
        (["rotate", "nobody"], "There is no key nobody. `slope keys list` has all"),
    ],
    ids=["name", "scope", "expires", "past", "owner", "unknown"],
)
def test_what_a_command_about_keys_cannot_do_it_says(slope: CliRunner, arguments: list[str], said: str) -> None:
    done = slope.invoke(app, ["keys", *arguments])
    assert done.exit_code != 0
    assert said in " ".join((done.output + str(done.exception)).split())


def test_a_command_that_is_asked_for_a_key_says_where_it_takes_one_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit), answering("http://127.0.0.1:8000"):
        raise Problem({"title": "A key is needed", "status": 401, "detail": "Send a key"})
    assert "SLOPE_API_KEY" in capsys.readouterr().err
