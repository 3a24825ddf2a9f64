"""Which devices this process may use."""

import os
import platform
from dataclasses import dataclass

os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # ask the driver: CUDA touched here breaks forked children

import torch


@dataclass(frozen=True)
class Device:
    name: str
    """`cpu` or `cuda:N`."""
    description: str


def available_devices() -> list[Device]:
    """The CPU, and every CUDA device."""
    cuda = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return [Device("cpu", platform.processor() or platform.machine()), *(Device(f"cuda:{n}", "CUDA") for n in cuda)]
