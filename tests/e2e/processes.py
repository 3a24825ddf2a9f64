"""Programs of the product as processes of their own, and how long to wait for what they do."""

import ctypes
import json
import os
import re
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

LIMIT_SECONDS = 180.0
"""Many times what anything takes: a machine may be slow, and have other things to do."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1
"""Seconds between two looks: what comes soon is seen soon, and a long wait costs little."""
_SESSION = uuid4().hex[:12]
_TOLD_CHARACTERS = 4_000
"""Of what a program has written, in the account of a failure: the end."""
_numbers = count()
_started: list["Program"] = []
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
        _started.append(self)

    def __str__(self) -> str:
        """How it was started and whether it runs."""
        code = self.process.poll()
        return f"{' '.join(self._command)} {'runs' if code is None else f'has ended with {code}'}"

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
        return self._output.read_text(errors="replace")

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return self._log.read_text(errors="replace")

    @property
    def account(self) -> str:
        """The end of what it has written, for whoever looks for the reason of a failure."""
        files = (file for file in (self._output, self._log) if file.exists())
        return "\n".join(file.read_text(errors="replace")[-_TOLD_CHARACTERS:] for file in files)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What it has logged under this name."""
        whole, _, _ = self.log.rpartition("\n")
        records = [json.loads(line) for line in whole.splitlines() if line.startswith("{") and line.endswith("}")]
        return [record for record in records if record["event"] == event]

    def family(self) -> list[psutil.Process]:
        """Every living process that comes from this program, itself among them."""
        return list(_living_in(self.folder.name))

    def children(self, word: str = "") -> list[psutil.Process]:
        """Its children that have the word in their command line."""
        return _children(self.pid, word)

    def until(self, condition: Callable[[], Answer]) -> Answer:
        """As `until`, but it is given up immediately when the program has ended, which then does nothing more."""

        def answer() -> Answer:
            has_ended = self.process.poll() is not None  # asked before: what it did until its end counts
            found = condition()
            assert found or not has_ended, f"{self}:\n{self.account}"
            return found

        return until(answer)

    def until_logged(self, event: str) -> list[dict[str, Any]]:
        """What it has logged under this name, when there is something."""
        return self.until(lambda: self.logged(event))

    def until_written(self, pattern: str) -> re.Match[str]:
        """Where the expression matches what it has written, when it does."""
        return self.until(lambda: re.search(pattern, self.output) or re.search(pattern, self.log))  # type: ignore[return-value]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code when it has."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code when it has ended."""
        try:
            return self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self}, and does not end:\n{self.account}") from None


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


def forget_ended() -> None:
    """Leave those that have ended out of the accounts of what fails from now on."""
    _started[:] = [program for program in _started if program.process.poll() is None]


def accounts() -> list[tuple[str, str]]:
    """Every program that runs or has ended since: how it stands with it, and what it has written last."""
    return [(str(program), program.account) for program in _started]


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
