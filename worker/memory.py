"""How much memory one training may take here."""

from pathlib import Path

import psutil

from service.settings import Settings
from slope.engines.plan import Plan

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_for_training(settings: Settings, slots: int) -> int:
    """Bytes besides what an idle process has: as the setting says, or a slot's part of the machine or container."""
    if settings.worker_memory is not None:
        return settings.worker_memory
    return max(0, _limit() // slots - psutil.Process().memory_info().rss)


def has_memory(memory: int | None, plan: Plan) -> bool:
    """Whether a training that may take this many bytes has enough for a plan; None is not known."""
    return memory is None or (plan.memory_bytes or 0) <= memory


def check_memory(memory: int | None, plan: Plan) -> None:
    """Raise MemoryError where a training that may take this many bytes has not enough for a plan."""
    if not has_memory(memory, plan):
        raise MemoryError(f"it needs {plan.memory_bytes:,} bytes, and a training here may take {memory:,}")


def _limit() -> int:
    """Of the container where there is one, otherwise of the machine."""
    limits = [file.read_text().strip() for file in _CGROUPS if file.exists()]
    return min([psutil.virtual_memory().total, *(int(limit) for limit in limits if limit.isdecimal())])
