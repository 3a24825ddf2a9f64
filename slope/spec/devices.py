"""What a job may ask for as its device, and what that comes down to."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from slope.spec.faults import invalid

_DEVICE = r"^(auto|cpu|cuda(:(0|[1-9]\d?))?)$"


def _refuse_unknown(value: Any) -> Any:
    if isinstance(value, str) and not re.search(_DEVICE, value):
        raise invalid((), "Input should be auto, cpu, cuda, or one GPU by its number, as cuda:0")
    return value


Device = Annotated[str, Field(pattern=_DEVICE), BeforeValidator(_refuse_unknown)]


def device_for(request: str) -> str:
    """The device that a request gets: `cpu` or `cuda:N`.

    `auto` is the CPU: a linear model's step is too small to gain from a transfer to the GPU, and the CPU's bits are
    those of the plain loop.
    """
    return {"auto": "cpu", "cuda": "cuda:0"}.get(request, request)


def requests_served(devices: Sequence[str]) -> list[str]:
    """What a job may ask for and get where there are these devices: `auto`, each by its name, and `cuda` for any."""
    return [request for request in ("auto", "cuda", *devices) if device_for(request) in devices]
