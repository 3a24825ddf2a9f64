"""Watching a forward pass: what autograd does not keep, because it needs it for no derivative."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

Operand = Tensor | float


@dataclass(frozen=True)
class Call:
    """One operation of the forward pass."""

    name: str
    operands: list[Operand]
    result: Tensor


class Forward:
    """Remembers every operation that is done within its block; its tensors live as long as it does."""

    def __init__(self) -> None:
        self._mode = _Mode(self._remember)
        self._by_node: dict[Node, Call] = {}
        self._by_tensor: dict[int, Call] = {}

    def __enter__(self) -> Self:
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._mode.__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]

    def of_node(self, node: Node) -> Call | None:
        """The call that a node of autograd's is the way back of."""
        return self._by_node.get(node)

    def of_tensor(self, tensor: Tensor) -> Call | None:
        """The call that made a tensor which autograd does not follow."""
        return self._by_tensor.get(tensor.data_ptr())

    def _remember(self, call: Call) -> None:
        if call.result.grad_fn is not None:
            self._by_node[call.result.grad_fn] = call
        elif _is_computed(call):
            self._by_tensor[call.result.data_ptr()] = call


def _is_computed(call: Call) -> bool:
    """Whether a call made a new tensor out of others: not one of numbers, another view, or the same one changed."""
    tensors = [operand for operand in call.operands if isinstance(operand, Tensor)]
    return bool(tensors) and all(tensor.data_ptr() != call.result.data_ptr() for tensor in tensors)


class _Mode(TorchFunctionMode):
    def __init__(self, remember: Callable[[Call], None]) -> None:
        super().__init__()
        self._remember = remember

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            operands = [each for each in args if isinstance(each, Tensor | int | float)]
            self._remember(Call(getattr(func, "__name__", ""), operands, result))
        return result
