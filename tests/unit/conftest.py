"""One thread, as the worker has it: with more of them torch may add in another order."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def lecture() -> dict[str, Any]:
    """The lecture's data, its settings, and the numbers its code prints."""
    return json.loads((Path(__file__).parents[1] / "lecture.json").read_text())
