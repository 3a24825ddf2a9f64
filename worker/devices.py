"""Which devices this process may use, and which of them a job gets."""

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


def available() -> list[Device]:
    """The CPU, and every CUDA device."""
    cuda = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return [Device("cpu", platform.processor() or platform.machine()), *(Device(f"cuda:{n}", "CUDA") for n in cuda)]


def requests_served(devices: list[Device]) -> list[str]:
    """What a job may ask for and get here: `auto`, the devices, and `cuda` for any of that kind."""
    names = [device.name for device in devices]
    return ["auto", *names, *(["cuda"] if "cuda:0" in names else [])]


def device_for(request: str) -> str:
    """The device that a request gets.

    `auto` is the CPU: a linear model's step is too small to gain from a transfer to the GPU, and the CPU's bits are
    those of the plain loop.
    """
    return {"auto": "cpu", "cuda": "cuda:0"}.get(request, request)
