"""Programs of the product as processes of their own, and how long to wait for what they do."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar
from uuid import uuid4

import psutil

Answer = TypeVar("Answer")

LIMIT_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1
"""Seconds between two looks: what comes soon is seen soon, and a long wait costs little."""
_SESSION = uuid4().hex[:12]
_numbers = count()
_LIBC = ctypes.CDLL(None)


class Program:
    """A program that is ended with the tests.

    It runs in a folder of its own, also for temporary files. All that it starts runs there too, and is found by it.
    """

    def __init__(
        self,
        folder: Path,
        *command: str,
        environment: Mapping[str, str] | None = None,
        descriptors: tuple[int, ...] = (),
        text: str | None = None,
        prepare: Callable[[Path], object] = lambda _: None,
    ) -> None:
        """`text` is what it reads from standard input; `prepare` puts something into its folder before it starts."""
        self.folder = folder / f"{_SESSION}-{next(_numbers):04}"
        self.folder.mkdir()
        prepare(self.folder)
        self._output = self.folder.with_suffix(".out")
        self._log = self.folder.with_suffix(".err")
        self._command = command
        with self._output.open("w") as output, self._log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=_surroundings() | {"TMPDIR": str(self.folder)} | dict(environment or {}),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                stdout=output,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        if self.process.stdin:
            self.process.stdin.write(text or "")
            self.process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it and all that it started, by force if it has not been ended before."""
        while family := self.family():
            _kill(family)
        self.process.wait()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        """What it has written to standard output."""
        return self._output.read_text()

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return self._log.read_text()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What it has logged under this name."""
        records = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [record for record in records if record["event"] == event]

    def family(self) -> list[psutil.Process]:
        """Every living process that comes from this program, itself among them."""
        return list(_living_in(self.folder.name))

    def children(self, word: str = "") -> list[psutil.Process]:
        """Its children that have the word in their command line."""
        return _children(self.pid, word)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code when it has."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code when it has ended."""
        try:
            return self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self._command} does not end:\n{self.log}") from None


def slope(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, text: str | None = None
) -> Program:
    """The installed `slope` command."""
    return Program(folder, str(Path(sys.executable).parent / "slope"), *arguments, environment=environment, text=text)


def module(
    folder: Path,
    *command: str,
    environment: Mapping[str, str] | None = None,
    descriptors: tuple[int, ...] = (),
    most_files: int | None = None,
) -> Program:
    """`python -m` with these words, which may have only so many files and sockets open where that is said."""
    limited = ("sh", "-c", f'ulimit -n {most_files} && exec "$@"', "sh") if most_files else ()
    return Program(folder, *limited, sys.executable, "-m", *command, environment=environment, descriptors=descriptors)


def until(condition: Callable[[], Answer], seconds: float = LIMIT_SECONDS) -> Answer:
    """The first answer of the condition that is true in the sense of `if`. The deadline only ends a test that fails."""
    deadline, pause = monotonic() + seconds, _FIRST_PAUSE
    while not (answer := condition()):
        assert monotonic() < deadline, f"still {answer!r} after {seconds:g} s"
        sleep(pause)
        pause = min(1.5 * pause, _LONGEST_PAUSE)
    return answer


def left_over() -> list[psutil.Process]:
    """Living processes that come from any program of this test run."""
    return list(_living_in(_SESSION))


def _living_in(folder: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if folder in process.cwd() and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _children(pid: int, word: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):
            if word in " ".join(child.cmdline()):
                found.append(child)
    return found


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def _surroundings() -> dict[str, str]:
    """This process's environment without settings of the product; it logs JSON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLOPE_")}
    return kept | {"SLOPE_LOG_JSON": "true"}


def _end_with_parent() -> None:
    """Linux ends the program when the tests are killed."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        _LIBC.prctl(pr_set_pdeathsig, signal.SIGKILL)
