"""What a job may ask for as its device, and what that comes down to."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:(0|[1-9]\d?))?)$")]


def device_for(request: str) -> str:
    """The device that a request gets: `cpu` or `cuda:N`.

    `auto` is the CPU: a linear model's step is too small to gain from a transfer to the GPU, and the CPU's bits are
    those of the plain loop.
    """
    return {"auto": "cpu", "cuda": "cuda:0"}.get(request, request)


def requests_served(devices: Sequence[str]) -> list[str]:
    """What a job may ask for and get where there are these devices: `auto`, each by its name, and `cuda` for any."""
    return [request for request in ("auto", "cuda", *devices) if device_for(request) in devices]
