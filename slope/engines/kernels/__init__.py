"""Loops that are compiled: NumPy has no word for a step that needs the one before.

Compiled for the processor at hand when they are called first, and kept in numba's cache (NUMBA_CACHE_DIR, or beside
these files, or in the user's cache folder): later processes load them in a fraction of a second. Where no folder can
be written to, each process compiles for itself.
"""

import os
import sys
import warnings
from typing import Any


def _load_numba() -> None:
    """Keep numba from settings in the folder one starts in, which may be anybody's; those of the environment count.

    It looks there when it is imported and when it compiles, reads what it finds by PyYAML, and warns without that.
    """
    modules: dict[str, Any] = sys.modules
    known = modules.get("yaml")
    modules["yaml"] = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A Numba config file is found")
            from numba.core import config
    finally:
        del modules["yaml"]
        if known is not None:
            modules["yaml"] = known
    config._config_fname = os.devnull  # which is no file


_load_numba()
