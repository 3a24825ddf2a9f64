"""From the end of one run to the start of another: the parameters, and what the optimizer remembers."""

import io
from typing import Any

import torch


def begin_anew(checkpoint: bytes, steps: int) -> bytes:
    """The state in which a run begins that goes on from another's checkpoint, after this many steps.

    Its epochs count from 0, and with them its schedule and the order of its rows; nothing is remembered of the losses
    that early stopping watched. Its learning rate and all else that the optimizer is told are its own.
    """
    state: dict[str, Any] = torch.load(io.BytesIO(checkpoint), weights_only=True)
    state |= {"epoch": 0, "steps": state.get("steps", steps), "scheduler": None, "patience": None}
    if "optimizer" in state:
        state["optimizer"] = {"state": state["optimizer"]["state"], "param_groups": None}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
