"""Watching one computation, forward and back."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from slope.graph.assembly import assemble
from slope.graph.drawn import DrawnGraph
from slope.graph.forward import Forward
from slope.graph.vertices import Vertex, back_propagate
from slope.graph.walk import Walk

Names = Mapping[str, Tensor]


class Untraceable(ValueError):
    """The tensor is not one whose computation can be followed."""


def trace(
    loss: Tensor | Callable[[], Tensor], names: Names | None = None, *, upstream: Tensor | float | None = None
) -> DrawnGraph:
    """Back-propagate a loss, as `loss.backward()` does, and draw what autograd did.

    The loss is a tensor of one number, or a function that computes it. Of a tensor autograd has kept what it needs
    for the way back and no more: values that no derivative needs, such as the operands of a sum, are then unknown
    unless `names` has them. A function is watched as it runs, and nothing is missing.

    `names` gives tensors, those in between as well, the names they go by. `upstream` is the gradient that arrives from
    above, 1 by default. Gradients accumulate in the `.grad` of the leaves. Raises Untraceable.
    """
    forward = Forward()
    if not isinstance(loss, Tensor):
        with forward:
            loss = loss()
    return assemble(followed(loss, forward, (names or {}).items(), upstream))


def followed(
    loss: Tensor, forward: Forward, names: Iterable[tuple[str, Tensor]], upstream: Tensor | float | None = None
) -> list[Vertex]:
    """The vertices of a computation, its result the last, after a backward pass through it. Raises Untraceable.

    A name may be that of several tensors, one after another; a tensor with several names goes by the first.
    """
    if loss.numel() != 1:
        raise Untraceable(f"A loss is one number; this one has {loss.numel()}")
    try:
        vertices = Walk(forward, names).from_(loss)
        if loss.requires_grad:
            arriving = None if upstream is None else torch.as_tensor(upstream, dtype=loss.dtype).expand(loss.shape)
            back_propagate(loss, arriving, vertices)
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        detail = "Autograd has let go of this graph: trace the loss in the place of loss.backward()"
        raise Untraceable(detail) from error
    return vertices
