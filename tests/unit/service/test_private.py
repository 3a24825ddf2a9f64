"""Files of the service are its own, also where the shell lets everybody read new ones, and where there were some."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import private


@pytest.fixture(autouse=True)
def _open_to_everybody() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def test_new_folders_and_files_are_private(tmp_path: Path) -> None:
    private.keep_private()
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    assert (rights(tmp_path / "file"), rights(tmp_path / "folder")) == ("600", "700")


def test_a_data_folder_is_made_private(tmp_path: Path) -> None:
    private.make_folder(tmp_path / "data")

    assert rights(tmp_path / "data") == "700"


def test_a_data_folder_that_others_could_read_is_closed_with_all_that_is_in_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "objects").mkdir(parents=True)
    (data / "slope.db").touch()
    private.make_folder(data)

    assert (rights(data), rights(data / "objects"), rights(data / "slope.db")) == ("700", "700", "600")


def test_a_file_may_go_while_a_data_folder_is_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SQLite's log does when another process closes the database."""
    log = tmp_path / "slope.db-wal"
    monkeypatch.setattr(Path, "iterdir", lambda _folder: iter([log]))

    private.make_folder(tmp_path)

    assert not log.exists()


def test_a_folder_with_other_things_in_it_is_left_as_it_is_but_for_ours(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "slope.db").touch()
    (data / "another's").touch()
    private.make_folder(data)

    assert (rights(data), rights(data / "slope.db"), rights(data / "another's")) == ("777", "600", "666")
