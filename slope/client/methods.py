"""Methods of a client made from calls that are said once, with signatures that `help()` and editors show."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_args

Made = TypeVar("Made", bound=Callable[..., Any])

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)


def described(
    method: Made, call: Callable[..., Any], result: Callable[[Any], Any], *, takes_handle: bool = False
) -> Made:
    """The method with the name, the documentation and the parameters of the call, and the result that it has.

    A call that takes a handle is of the handle's own: its first parameter is `self`.
    """
    said = inspect.signature(call)
    own = [*said.parameters.values()][int(takes_handle) :]
    made: Any = method
    made.__name__, made.__doc__ = call.__name__, call.__doc__
    made.__signature__ = said.replace(parameters=[_SELF, *own], return_annotation=result(said.return_annotation))
    return method


def returned(annotation: Any) -> Any:
    """What a call returns, or each of what it lists; None of what goes to a file."""
    kinds = get_args(annotation)
    return kinds[-1] if kinds else None


def within(form: Any) -> Callable[[Any], Any]:
    """The same within an Awaitable or an Iterator."""
    return lambda annotation: form[returned(annotation)]


def always(result: Any) -> Callable[[Any], Any]:
    """The same whatever the call returns."""
    return lambda _: result
