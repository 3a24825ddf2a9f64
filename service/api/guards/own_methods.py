"""An address that is a call's own, as /v1/jobs/cancel, is not one of a thing that is called so: it takes its methods,
and no other."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import MethodNotAllowed


class _Refusal:
    def __init__(self, methods: str) -> None:
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = MethodNotAllowed(self._methods, scope.get("root_path", ""))
        await problem_response(scope, error)(scope, receive, send)


def with_own_methods(routes: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """The same routes in their order, and before each that would take the address of another call, one that refuses."""
    own = _own_addresses(routes)
    for route in routes:
        for address in [each for each in own if _would_take(route, each)]:
            yield Route(address, _Refusal(", ".join(sorted(own.pop(address)))))
        yield route


def _own_addresses(routes: Sequence[BaseRoute]) -> dict[str, set[str]]:
    """Addresses without parameters, with their methods."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for route in routes:
        if isinstance(route, Route) and not route.param_convertors:
            found[route.path] |= route.methods or set()
    return dict(found)


def _would_take(route: BaseRoute, address: str) -> bool:
    return isinstance(route, Route) and bool(route.param_convertors) and bool(route.path_regex.match(address))
