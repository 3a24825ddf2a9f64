"""Graphviz, in a process of its own: `python -m slope.drawing svg < graph.dot`.

It is C that is not made for threads, keeps Python's lock while it works, and may work for long: not for a process that
others wait for. Free of torch.
"""

import os
import subprocess
import sys
from threading import BoundedSemaphore

_SECONDS = 20
"""A drawing of a few hundred nodes takes one."""
_DPI = {"png": 144}
_MISSING = 3
"""The exit status that says that Graphviz is not here."""


_drawing = BoundedSemaphore(os.cpu_count() or 1)
"""However many ask, no more processes draw than there are cores."""


class NotInstalled(ImportError):
    """Graphviz is not here."""

    def __init__(self) -> None:
        super().__init__("Pictures need Graphviz: pip install 'slope-regression[pictures]'")


class NotDrawn(RuntimeError):
    """Graphviz gave no picture."""


def draw(dot: str, kind: str) -> bytes:
    """A picture (`svg` or `png`) of a program in the language of Graphviz. Raises NotInstalled and NotDrawn."""
    try:
        with _drawing:
            done = subprocess.run(
                _command(kind), input=dot.encode(), capture_output=True, timeout=_SECONDS, check=False
            )
    except subprocess.TimeoutExpired as error:
        raise NotDrawn(f"Graphviz has not finished after {_SECONDS} s: the graph is too large to draw") from error
    if done.returncode == _MISSING:
        raise NotInstalled
    if done.returncode:
        raise NotDrawn(f"Graphviz failed: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout


def _command(kind: str) -> list[str]:
    return [sys.executable, "-m", "slope.drawing", kind]


def main() -> None:
    try:
        from pygraphviz import AGraph
    except ImportError:
        sys.exit(_MISSING)
    [kind] = sys.argv[1:]
    options = f"-Gdpi={_DPI[kind]}" if kind in _DPI else ""
    sys.stdout.buffer.write(AGraph(string=sys.stdin.read()).draw(format=kind, prog="dot", args=options))


if __name__ == "__main__":
    main()
