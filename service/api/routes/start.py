"""Where people arrive who have nothing but the service's address, or the type of a problem."""

from typing import Literal, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from service.api.negotiation import document_formats, preferred_format
from service.api.pages import Content, html_page, link, paragraph
from service.api.schemas.start import MeaningView, ServiceView
from service.errors import AddressNotFound, ServiceError, error_kinds
from slope import __version__

router = APIRouter(include_in_schema=False, responses=document_formats("html"))

_Format = Literal["json", "html"]
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


@router.get("/")
async def show_service(request: Request) -> Response:
    """What this is, and where it goes on."""
    root = _root(request)
    links = {name: root + path for name, path in _LINKS.items()}
    view = ServiceView(version=__version__, links=links)
    said = [paragraph(f"{view.description}. This is version {view.version}.")]
    return _answer(request, view, view.name, [*said, *(link(path, name) for name, path in links.items())])


@router.get("/problems")
async def list_problems(request: Request) -> Response:
    """All kinds of problems."""
    kinds = [_meaning(request, kind) for kind in error_kinds().values()]
    page = [link(kind.type, f"{kind.status} {kind.title}") for kind in kinds]
    if preferred_format(request, get_args(_Format)) == "html":
        return HTMLResponse(html_page("Problems", page))
    return Response(b"[" + b",".join(kind.model_dump_json().encode() for kind in kinds) + b"]", media_type=_JSON)


@router.get("/problems/{type}")
async def explain_problem(type: str, request: Request) -> Response:
    """What a problem of this type means, and what to do."""
    if (kind := error_kinds().get(type)) is None:
        raise AddressNotFound
    view = _meaning(request, kind)
    said = [paragraph(view.meaning), paragraph(f"Its status is {view.status}, its type {view.type}.")]
    return _answer(request, view, view.title, [*said, link(f"{_root(request)}/problems", "All problems")])


_JSON = "application/json"


def _meaning(request: Request, kind: type[ServiceError]) -> MeaningView:
    address = f"{_root(request)}/problems/{kind.type}"
    return MeaningView(type=address, title=kind.title, status=kind.status, meaning=kind.meaning())


def _answer(request: Request, view: ServiceView | MeaningView, title: str, content: Content) -> Response:
    if preferred_format(request, get_args(_Format)) == "html":
        return HTMLResponse(html_page(title, content))
    return Response(view.model_dump_json(), media_type=_JSON)


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root
