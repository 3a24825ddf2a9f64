"""What the OpenAPI document says of a problem."""

from typing import Any

from service.api.schemas.problems import ProblemView

REFERENCE = "#/components/schemas/{model}"


def describe_problem(description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer that is one."""
    schema = {"$ref": REFERENCE.format(model=ProblemView.__name__)}
    content = {"application/problem+json": {"schema": schema}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})
