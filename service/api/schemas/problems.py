"""RFC 9457 problem details."""

from pydantic import Field

from slope.answers.view import SparseView, View


class FaultView(View):
    detail: str
    """What is wrong."""
    pointer: str
    """JSON Pointer to the value that is wrong."""


class ProblemView(SparseView):
    """RFC 9457 problem details."""

    type: str = Field(examples=["/problems/invalid-request"])
    """What kind of problem it is: an address that explains it."""
    title: str
    """The same in words."""
    status: int
    """As the answer's."""
    detail: str
    """What happened this time, and what to do."""
    errors: list[FaultView] = []
    """Every fault of the request, with its place."""
