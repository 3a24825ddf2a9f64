"""Files that nobody but the user whom the service runs as can read: what is in them was sent in confidence."""

import os
from contextlib import suppress
from pathlib import Path

_OURS = {"slope.db", "slope.db-shm", "slope.db-wal", "objects", "spool", "serve.lock", "broker.url", "broker.log"}
"""What the service itself puts into its data folder."""


def keep_private() -> None:
    """Let all files that this process and its children make be private, whatever umask the shell has set."""
    os.umask(0o077)


def make_folder(folder: Path) -> None:
    """Make a private folder, or close one that others could look into. Raises OSError.

    A folder that holds anything else, or belongs to somebody else, is left as it is: it may be /tmp.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if all(path.name in _OURS for path in folder.iterdir()):
        _close(folder, 0o700)
    for path in folder.iterdir():
        if path.name in _OURS and not path.is_symlink():
            _close(path, 0o700 if path.is_dir() else 0o600)


def _close(path: Path, mode: int) -> None:
    with suppress(PermissionError, FileNotFoundError):  # it is another's; or SQLite has taken its log away meanwhile
        if path.stat().st_mode & 0o077:
            path.chmod(mode)
