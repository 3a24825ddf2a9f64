"""What draws, in a process of its own. Graphviz: `python -m slope.drawing svg < graph.dot`.

It is C that is not made for threads, keeps Python's lock while it works, and may work for long: not for a process that
others wait for. Free of torch.
"""

import subprocess
import sys
import time
from contextlib import suppress
from subprocess import PIPE
from tempfile import TemporaryFile

from slope.calling_off import is_called_off
from slope.extras import how_to_add

_SECONDS = 20
"""A drawing of a few hundred nodes takes one."""
_DPI = {"png": 144}
_LOOKS = 0.1
"""Seconds between two looks at whether the picture is still wanted."""
MISSING = 3
"""The exit status that says that what draws is not here."""


class NotInstalled(ImportError):
    """What draws is not here."""

    def __init__(self, tool: str = "Graphviz") -> None:
        super().__init__(f"Pictures need {tool}: {how_to_add('pictures')}")


class NotDrawn(RuntimeError):
    """What draws gave no picture."""


def draw(dot: str, kind: str) -> bytes:
    """A picture (`svg` or `png`) of a program in the language of Graphviz. Raises NotInstalled and NotDrawn."""
    return _draw("Graphviz", _command(kind), dot)


def draw_apart(tool: str, module: str, kind: str, source: str) -> bytes:
    """What a module writes that is run with the kind as its argument. Raises NotInstalled and NotDrawn."""
    return _draw(tool, _command(kind, module), source)


def _draw(tool: str, command: list[str], source: str) -> bytes:
    with TemporaryFile() as program:  # of a pipe, Python 3.11 sends no more once a wait for the answer has ended
        program.write(source.encode())
        program.seek(0)
        with subprocess.Popen(command, stdin=program, stdout=PIPE, stderr=PIPE) as process:
            try:
                picture, said = _communicate(process, tool)
            finally:
                process.kill()
    if process.returncode == MISSING:
        raise NotInstalled(tool)
    if process.returncode:
        raise NotDrawn(f"{tool} failed: {said.decode(errors='replace')[-500:]}")
    return picture


def _communicate(process: "subprocess.Popen[bytes]", tool: str) -> tuple[bytes, bytes]:
    """What the process writes and says. Raises NotDrawn when it takes too long, or nobody wants it any more."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and not is_called_off():
        with suppress(subprocess.TimeoutExpired):  # and is asked again, without losing what it has said so far
            return process.communicate(timeout=_LOOKS)
    raise NotDrawn(f"{tool} has not finished after {_SECONDS} s: this is too large to draw")


def _command(kind: str, module: str = "slope.drawing") -> list[str]:
    return [sys.executable, "-P", "-m", module, kind]  # -P: not what lies in the folder one is in


def main() -> None:
    try:
        from pygraphviz import AGraph
    except ImportError:
        sys.exit(MISSING)
    [kind] = sys.argv[1:]
    options = f"-Gdpi={_DPI[kind]}" if kind in _DPI else ""
    sys.stdout.buffer.write(AGraph(string=sys.stdin.read()).draw(format=kind, prog="dot", args=options))


if __name__ == "__main__":
    main()
