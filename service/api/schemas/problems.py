"""RFC 9457 problem details."""

from pydantic import Field

from service.api.schemas.view import SparseView, View


class FaultView(View):
    detail: str
    pointer: str
    """JSON Pointer to the value that is wrong."""


class ProblemView(SparseView):
    """RFC 9457 problem details."""

    type: str = Field(examples=["/problems/invalid-request"])
    title: str
    status: int
    detail: str
    errors: list[FaultView] = []
