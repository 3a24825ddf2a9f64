"""What a whole run has found, for the documentation: docs/draw_benchmarks.py makes a table and a chart of it."""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.comparison import RESULTS
from benchmarks.scaling import CURVES

_FILE = Path(__file__).parents[1] / "docs" / "explanation" / "benchmarks.json"


def write_results(seconds: float) -> None:
    """With the cores there were, and how long it took."""
    found = {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "minutes": round(seconds / 60, 1),
        "results": [asdict(result) for result in RESULTS],
        "curves": [asdict(curve) for curve in CURVES],
    }
    _FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"{_FILE.name}: {len(RESULTS)} comparisons in {seconds / 60:.1f} minutes")
