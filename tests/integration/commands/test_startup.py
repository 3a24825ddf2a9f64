"""What only an operator can mend ends a command with a sentence and an exit status, and the doctor says the same."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from workbench import FakeQueue

from service import logs
from service.commands.cli import app
from service.commands.supervisor import python_of
from service.errors import DatabaseDamaged, DatabaseNotUnicode, SchemaNewer
from service.settings import Settings, get_settings
from service.startup import sentence
from service.store import schema
from service.store.database import Database
from service.upkeep import doctor

Spoil = Callable[[Path], None]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process that has not read its settings; what a command changes in it is changed back."""
    get_settings.cache_clear()
    monkeypatch.setenv("SLOPE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(logs, "configure_logs", lambda _: None)  # its stream would be closed with the command
    mask = os.umask(0o022)
    yield
    os.umask(mask)
    get_settings.cache_clear()


def said(*words: str) -> str:
    """What a command says when it has ended with status 1: one line."""
    ended = CliRunner().invoke(app, words)
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.exit_code == 1
    line: str = ended.stderr or ended.output
    assert line.count("\n") == 1, line
    return line


def newer(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    schema.upgrade_schema(database)
    with database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.dispose()


def no_database(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 64)


def cut_short(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    schema.upgrade_schema(database)
    database.dispose()
    file.write_bytes(file.read_bytes()[:9000])


SPOILT = [
    pytest.param(newer, "was made by a newer Slope", "Install that version", id="newer"),
    pytest.param(no_database, "is damaged", "Restore the file from a copy", id="no database"),
    pytest.param(cut_short, "is damaged", "Restore the file from a copy", id="cut short"),
]


@pytest.mark.parametrize("command", [("db", "upgrade"), ("serve", "--port", "0")])
@pytest.mark.parametrize(("spoil", "what", "advice"), SPOILT)
def test_a_database_that_this_version_cannot_use_ends_a_command_with_a_sentence(
    tmp_path: Path, command: tuple[str, ...], spoil: Spoil, what: str, advice: str
) -> None:
    (tmp_path / "data").mkdir()
    spoil(tmp_path / "data" / "slope.db")
    line = said(*command)

    assert line.startswith(f"The database {what}: ")
    assert advice in line


@pytest.mark.parametrize(("spoil", "what", "advice"), SPOILT)
def test_the_doctor_says_what_is_wrong_with_such_a_database(
    tmp_path: Path, queue: FakeQueue, spoil: Spoil, what: str, advice: str
) -> None:
    spoil(tmp_path / "slope.db")
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.database)
    found = list(doctor.diagnose(settings, database, queue))
    database.dispose()

    assert [each for each in found if what in each.finding and advice in str(each.advice)]


def test_a_newer_schema_is_not_one_that_waits_for_an_upgrade(tmp_path: Path) -> None:
    newer(tmp_path / "slope.db")
    database = Database(f"sqlite:///{tmp_path}/slope.db")
    with pytest.raises(SchemaNewer, match="9999"):
        schema.is_current(database)
    database.dispose()


def test_a_damaged_file_is_told_from_a_database_that_is_away(tmp_path: Path) -> None:
    no_database(tmp_path / "slope.db")
    database = Database(f"sqlite:///{tmp_path}/slope.db")
    with pytest.raises(DatabaseDamaged), database.reading() as session:
        session.connection()
    database.dispose()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_postgresql_database_that_is_not_in_utf8_is_refused(postgresql: Any, queue: FakeQueue, encoding: str) -> None:
    name = f"slope_{encoding.lower()}"
    postgresql.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    url = postgresql.url.set(database=name).render_as_string(hide_password=False)
    database = Database(url)
    with pytest.raises(DatabaseNotUnicode) as refused:
        schema.upgrade_schema(database)
    found = list(doctor.diagnose(get_settings(), database, queue))
    database.dispose()
    postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")

    line = f"The database does not take every text: its encoding is {encoding}, not UTF8. Make another with"
    assert sentence(refused.value).startswith(line)
    assert [each.finding for each in found if each.advice] == [
        f"does not take every text: its encoding is {encoding}, not UTF8"
    ]


@pytest.mark.parametrize("command", [("db", "upgrade"), ("serve", "--port", "0"), ("jobs", "reap")])
def test_a_database_that_is_away_ends_a_command_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SLOPE_DATABASE_URL", f"postgresql://u:secret@/d?host={tmp_path}")
    line = said(*command)

    assert line.startswith("The database is not available: ")
    assert f'connection to server on socket "{tmp_path}' in line
    assert line.endswith("Check SLOPE_DATABASE_URL, and that the server runs\n")
    assert "secret" not in line


@pytest.mark.parametrize("command", [("db", "upgrade"), ("serve", "--port", "0"), ("jobs", "reap"), ("doctor",)])
def test_a_wrong_setting_ends_a_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SLOPE_MAX_BODY_SIZE", "64XB")
    assert said(*command) == "SLOPE_MAX_BODY_SIZE=64XB cannot be used: could not interpret byte unit: XB\n"


@pytest.mark.parametrize("module", [("service.api",), ("worker", "1")])
def test_a_wrong_setting_ends_api_and_worker_with_a_sentence(module: tuple[str, ...]) -> None:
    command, environment = [*python_of(module[0]), *module[1:]], {"SLOPE_THREADS": "none"}
    ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("SLOPE_THREADS=none cannot be used: ")
    assert ended.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_made_ends_a_command_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLOPE_DATA_DIR", str(tmp_path / "file" / "data"))
    assert said("db", "upgrade") == f"Cannot use {tmp_path}/file/data: Not a directory\n"
