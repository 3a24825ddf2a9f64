"""What is kept of compiled loops is compiled anew when anything has changed that they were made of."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import numba

from slope.engines.kernels import compiling

KERNELS = Path(compiling.__file__).parent
SOURCES_ALONE = ignore_patterns("__pycache__")


def test_a_loop_is_compiled_anew_when_one_that_it_calls_in_another_file_has_changed(tmp_path: Path) -> None:
    kernels = copied_to(tmp_path)
    add_loop(kernels, "outer", "inner() + 1", "from slope.engines.kernels.inner import inner")

    found = []
    for number in (1, 1, 10):
        add_loop(kernels, "inner", str(number))
        found.append(printed_in(tmp_path))

    assert found == ["2 compiled", "2 loaded", "11 compiled"]


def test_what_another_version_has_left_is_compiled_anew_also_where_it_names_a_module_that_is_gone(
    tmp_path: Path,
) -> None:
    kernels = copied_to(tmp_path)
    add_loop(kernels, "outer", "2")
    assert printed_in(tmp_path) == "2 compiled"
    [index] = kernels.glob("__pycache__/outer*.nbi")
    index.write_bytes(pickle.dumps(numba.__version__) + b"cslope.engines.gone\nRules\n.")

    assert printed_in(tmp_path) == "2 compiled"
    assert printed_in(tmp_path) == "2 loaded"


def copied_to(folder: Path) -> Path:
    """The kernels without what is kept of them, in a package of their own."""
    package = folder / "slope" / "engines"
    copytree(KERNELS, package / "kernels", ignore=SOURCES_ALONE)
    for each in (package, package.parent):
        (each / "__init__.py").touch()
    return package / "kernels"


def add_loop(kernels: Path, name: str, result: str, imports: str = "") -> None:
    """A module with a compiled function that returns this."""
    decorated = "from slope.engines.kernels.compiling import compiled\n{}\n@compiled\ndef {}():\n    return {}\n"
    (kernels / f"{name}.py").write_text(decorated.format(imports, name, result))


def printed_in(folder: Path) -> str:
    program = (
        "from slope.engines.kernels.outer import outer\n"
        "print(outer(), 'loaded' if outer.stats.cache_hits else 'compiled')"
    )
    chosen = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(
        command, cwd=folder, env=chosen | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_constants_that_are_compiled_into_loops_count_as_their_sources(tmp_path: Path) -> None:
    copytree(KERNELS.parent, tmp_path / "engines", ignore=SOURCES_ALONE)
    kernels = tmp_path / "engines" / "kernels"
    files = [kernels / "vectors.py", *(kernels.parent / "layouts" / name for name in ("lane_rules.py", "rules.py"))]

    stamps = [compiling.stamp_of(kernels)]
    for file in files:
        file.write_text(file.read_text() + "# changed\n")
        stamps.append(compiling.stamp_of(kernels))

    assert stamps[0] == compiling.stamp_of(KERNELS)
    assert len(set(stamps)) == 1 + len(files)
