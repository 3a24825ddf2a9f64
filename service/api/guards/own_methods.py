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
    """The same routes, whatever their order; before each that would take the address of other calls, those calls and
    one that refuses."""
    own = _own_routes(routes)
    placed: set[int] = set()
    for route in routes:
        before: list[BaseRoute] = []
        for address in [each for each in own if _would_take(route, each)]:
            calls = own.pop(address)
            before += [*calls, Route(address, _Refusal(_methods(calls)))]
        yield from (each for each in [*before, route] if id(each) not in placed)
        placed.update(map(id, [*before, route]))


def _own_routes(routes: Sequence[BaseRoute]) -> dict[str, list[Route]]:
    """Those without parameters, by their address."""
    found: defaultdict[str, list[Route]] = defaultdict(list)
    for route in routes:
        if isinstance(route, Route) and not route.param_convertors:
            found[route.path].append(route)
    return dict(found)


def _methods(calls: Sequence[Route]) -> str:
    return ", ".join(sorted(method for call in calls for method in call.methods or ()))


def _would_take(route: BaseRoute, address: str) -> bool:
    return isinstance(route, Route) and bool(route.param_convertors) and bool(route.path_regex.match(address))
