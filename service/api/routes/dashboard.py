"""The service's own address and those of the dashboard. They live apart from the API's, and take any query: it says
what a page shows."""

from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse
from starlette.routing import BaseRoute

from service.api.dashboard import NOT_BUILT, POLICY, Dashboard
from service.api.negotiation import json_response, preferred_format
from service.api.pages import html_page, link, paragraph
from service.api.schemas.start import ServiceView
from service.errors import AddressNotFound
from slope import __version__

_LINKS = {
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "jobs": "/v1/jobs",
    "datasets": "/v1/datasets",
    "sweeps": "/v1/sweeps",
    "devices": "/v1/devices",
    "problems": "/problems",
    "health": "/readyz",
}
_ADDRESSES = (
    "/jobs/new",
    "/jobs/{job_id}",
    "/jobs/{job_id}/epochs/{epoch}/steps/{step}",
    "/compare",
    "/sweeps",
    "/sweeps/{sweep_id}",
    "/datasets",
    "/datasets/{dataset_id}",
    "/devices",
    "/lab",
    "/sign-in",
)
_FOR_EVER = "public, max-age=31536000, immutable"  # names of assets change with their content


def dashboard_routes() -> list[BaseRoute]:
    """Of one application."""
    router = APIRouter(include_in_schema=False)
    router.get("/")(show_service)
    for address in _ADDRESSES:
        router.get(address)(show_dashboard)
    router.get("/assets/{name}")(get_asset)
    return router.routes


async def show_service(request: Request) -> Response:
    """What this is, and where it goes on: for people its dashboard, where that was built."""
    wants_page = preferred_format(request, get_args(Literal["json", "html"])) == "html"
    if wants_page and _dashboard(request).is_built:
        return show_dashboard(request)
    root = _root(request)
    view = ServiceView(version=__version__, links={name: root + path for name, path in _LINKS.items()})
    if not wants_page:
        return json_response(view)
    said = [f"{view.description}. This is version {view.version}.", NOT_BUILT]
    links = (link(path, name) for name, path in view.links.items())
    return HTMLResponse(html_page(view.name, [*map(paragraph, said), *links]))


def show_dashboard(request: Request) -> Response:
    """The one page of all addresses, which looks at its own address; or why there is none."""
    dashboard, root = _dashboard(request), _root(request)
    if not dashboard.is_built:
        return HTMLResponse(html_page("No dashboard", [paragraph(NOT_BUILT), link(f"{root}/", "The service")]), 503)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return HTMLResponse(dashboard.page(root), headers=headers)


async def get_asset(
    name: str, request: Request, accept_encoding: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """A script, a style sheet or a picture of the dashboard."""
    asset = _dashboard(request).asset(name, accept_encoding)
    if asset is None:
        raise AddressNotFound(_root(request))
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    if asset.coding:
        headers["Content-Encoding"] = asset.coding
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _dashboard(request: Request) -> Dashboard:
    dashboard: Dashboard = request.app.state.dashboard
    return dashboard


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root
