"""Settings: what is taken as people write it, what is refused with a sentence, and that no sentence tells a secret."""

import os
import pwd
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import url_to_parts
from sqlalchemy import make_url

from service import addresses
from service.settings import Settings, WrongSettings, get_settings, misspelt_settings
from service.storage import Folder, storage_at


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLOPE_STORAGE_URL")
    get_settings.cache_clear()


def refusal(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettings) as refused:
        get_settings()
    return str(refused.value)


PATHS = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: name not in (".", "..")
    ),
    min_size=1,
    max_size=4,
).map(lambda names: Path("/", *names))


@given(folder=PATHS)
def test_whatever_a_data_folder_is_called_the_database_and_the_datasets_are_in_it(folder: Path) -> None:
    settings = Settings(data_dir=folder)

    assert addresses.sqlite_file(settings.database) == folder / "slope.db"
    assert make_url(settings.database).query == {}
    storage = storage_at(settings.storage)
    assert isinstance(storage, Folder)
    assert storage._path == (folder / "objects").resolve()
    assert settings.spool == (folder / "spool").resolve()


@given(path=PATHS)
def test_whatever_a_socket_is_called_its_broker_is_found_there(path: Path) -> None:
    url = addresses.socket_url(path)
    parts = url_to_parts(url.replace("redis+socket", "socket"))

    assert addresses.normalize_broker_url(url) == url
    assert (f"/{parts.path}", parts.query) == (str(path), {})


def test_a_relative_data_folder_is_one_of_the_folder_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=Path("a"))
    monkeypatch.chdir("/")
    assert settings.data_dir == tmp_path / "a"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgres://u:p@h:1/d?x=1", "postgresql://u:p@h:1/d?x=1"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:////srv/slope.db", "sqlite:////srv/slope.db"),
    ],
)
def test_the_names_that_people_give_a_database_are_taken(given: str, taken: str) -> None:
    assert Settings(database_url=given).database == taken


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("valkey://:p@h:1/0", "redis://:p@h:1/0"),
        ("valkeys://h", "rediss://h"),
        ("unix:///run/broker.sock", "redis+socket:///run/broker.sock"),
        ("redis://h?socket_timeout=9", "redis://h?socket_timeout=9"),
        ("sentinel://a:1;sentinel://b:2", "sentinel://a:1;sentinel://b:2"),
    ],
)
def test_the_names_that_people_give_a_broker_are_taken(given: str, taken: str) -> None:
    assert Settings(broker_url=given).broker == taken


def test_a_folder_for_datasets_may_be_a_path() -> None:
    assert Settings(storage_url="/srv/a b").storage == "file:///srv/a%20b"


@pytest.mark.parametrize(
    ("name", "value", "attribute", "taken"),
    [
        ("SLOPE_MAX_BODY_SIZE", "64MB", "max_body_size", 64_000_000),
        ("SLOPE_MAX_UPLOAD_SIZE", "1GiB", "max_upload_size", 2**30),
        ("SLOPE_UPLOAD_MEMORY", "1000000", "upload_memory", 1_000_000),
        ("SLOPE_JOB_RETENTION", " 30d", "job_retention", timedelta(days=30)),
        ("SLOPE_AUDIT_RETENTION", "12h", "audit_retention", timedelta(hours=12)),
        ("SLOPE_WEBHOOK_RETENTION", "90m", "webhook_retention", timedelta(minutes=90)),
        ("SLOPE_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("SLOPE_LOG_LEVEL", " Warning ", "log_level", "WARNING"),
        ("SLOPE_THREADS", "", "threads", 1),
    ],
)
def test_values_are_taken_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, attribute: str, taken: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(get_settings(), attribute) == taken


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SLOPE_MAX_BODY_SIZE", "64XB", "SLOPE_MAX_BODY_SIZE=64XB cannot be used: could not interpret byte unit: XB"),
        ("SLOPE_MAX_BODY_SIZE", "0", "greater than or equal to 1"),
        ("SLOPE_JOB_RETENTION", "30 days", "write 30d for days"),
        ("SLOPE_AUDIT_RETENTION", "90", "write 30d for days"),
        ("SLOPE_WEBHOOK_RETENTION", "0d", "SLOPE_WEBHOOK_RETENTION=0d"),
        ("SLOPE_THREADS", "two", "SLOPE_THREADS=two cannot be used: Input should be a valid integer"),
        ("SLOPE_LEASE_SECONDS", "nan", "SLOPE_LEASE_SECONDS=nan"),
        ("SLOPE_LOG_LEVEL", "loud", "'DEBUG', 'INFO'"),
        ("SLOPE_LOG_JSON", "perhaps", "SLOPE_LOG_JSON=perhaps"),
        ("SLOPE_ALLOWED_ORIGINS", "notes", "notes is no origin"),
        ("SLOPE_DATABASE_URL", "mysql://h/d", "postgresql:// or sqlite://"),
        ("SLOPE_DATABASE_URL", "slope.db", "it is no URL"),
        ("SLOPE_DATABASE_URL", "postgresql://u:se/cret@h:port/d", "%2F"),
        ("SLOPE_DATABASE_URL", "sqlite://", "has to be a file"),
        ("SLOPE_DATABASE_URL", "sqlite:///:memory:", "has to be a file"),
        ("SLOPE_BROKER_URL", "redis://:se/cret@h:1/0", "%2F"),
        ("SLOPE_BROKER_URL", "amqp://u:secret@h", "redis://"),
        ("SLOPE_BROKER_URL", "h:6379", "redis://"),
        ("SLOPE_STORAGE_URL", "file://srv/slope", "file:///srv/slope"),
        ("SLOPE_STORAGE_URL", "file:///srv/a?1", "%3F"),
        ("SLOPE_STORAGE_URL", "ftp://u:secret@h", "s3://bucket/prefix"),
        ("SLOPE_STORAGE_URL", "srv", "/srv/slope"),
    ],
)
def test_what_is_wrong_is_refused_by_the_name_of_its_variable_and_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    said = refusal(monkeypatch, name, value)

    assert said.startswith(name)
    assert words in said
    assert "cret" not in said
    assert "\n" not in said


def test_all_that_is_wrong_is_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOPE_THREADS", "0")
    assert re.search("SLOPE_THREADS=0 .*; SLOPE_FLUSH_EPOCHS=x ", refusal(monkeypatch, "SLOPE_FLUSH_EPOCHS", "x"))


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)
    assert "name another folder" in refusal(monkeypatch, "SLOPE_DATA_DIR", "~/slope")


def test_a_user_whom_the_system_does_not_know_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user_id: int) -> None:
        raise KeyError(user_id)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(WrongSettings, match=r"SLOPE_DATA_DIR=~ cannot be used: .* name another folder"):
        get_settings()


def test_a_folder_whose_name_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no text in UTF-8" in refusal(monkeypatch, "SLOPE_DATA_DIR", os.fsdecode(b"/srv/\xff"))


def test_a_folder_of_secrets_holds_settings_in_files_and_a_variable_comes_before_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "slope_broker_url").write_text("redis://:word@redis:6379/0\n")
    (tmp_path / "slope_threads").write_text("3")
    monkeypatch.setenv("SLOPE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("SLOPE_THREADS", "2")

    assert get_settings().broker == "redis://:word@redis:6379/0"
    assert get_settings().threads == 2


def test_a_variable_that_no_setting_reads_is_told_with_the_one_that_was_meant() -> None:
    wrong, others = ("SLOPE_DATABASE_URI", "slope_max_bodysize"), ("SLOPE_PORT", "SLOPE_SERVICE_HOST", "SLOPE_URL")
    assert misspelt_settings(dict.fromkeys((*wrong, *others, "SLOPE_THREADS"), "")) == {
        "SLOPE_DATABASE_URI": "SLOPE_DATABASE_URL",
        "slope_max_bodysize": "SLOPE_MAX_BODY_SIZE",
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:secret@bucket/prefix?token=secret", "s3://bucket/prefix"),
        ("file:///srv/slope", "file:///srv/slope"),
        ("redis://:secret@h:6379/0", "redis://h:6379/0"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    assert addresses.without_secrets(url) == shown


def test_traces_without_what_sends_them_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOPE_TRACING", "true")
    monkeypatch.setattr("service.setting_values.find_spec", lambda name: None)
    get_settings.cache_clear()
    with pytest.raises(WrongSettings, match=r"SLOPE_TRACING=true cannot be used: .* pip install"):
        get_settings()
