"""Where people arrive who have nothing but the type of a problem."""

from typing import Literal, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from service.api.negotiation import document_formats, preferred_format
from service.api.pages import Content, html_page, link, paragraph
from service.api.schemas.start import MeaningView
from service.errors import AddressNotFound, ServiceError, error_kinds

router = APIRouter(include_in_schema=False, responses=document_formats("html"))

_Format = Literal["json", "html"]


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


def _answer(request: Request, view: MeaningView, title: str, content: Content) -> Response:
    if preferred_format(request, get_args(_Format)) == "html":
        return HTMLResponse(html_page(title, content))
    return Response(view.model_dump_json(), media_type=_JSON)


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root
