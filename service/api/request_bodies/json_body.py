"""JSON bodies that are read as bytes: their senders do not all say that it is JSON, or send bytes behind it."""

from typing import TypeVar

from pydantic import ConfigDict, ValidationError

from service.api.request_bodies.json_documents import LARGE, read_json
from service.api.request_bodies.values import refuse_many_values
from service.errors import InvalidRequest, MalformedRequest
from slope.spec import faults_of
from slope.spec.part import Part

Body = TypeVar("Body", bound=Part)


class Foreign(Part):
    """A piece of a request in another's protocol: what is not known of it is ignored, as those protocols say."""

    model_config = ConfigDict(extra="ignore")


def parse_body(kind: type[Body], content: bytes, context: object = None) -> Body:
    """`context` is for the validators. Raises MalformedRequest, InvalidRequest and TableTooLarge."""
    refuse_many_values(content)
    document = read_json(content) if len(content) >= LARGE else None
    try:
        if document is None:
            return kind.model_validate_json(content, context=context)
        return kind.model_validate(document, context=context)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        if errors[0]["type"] == "json_invalid":
            raise MalformedRequest("The body is not JSON") from error
        faults = faults_of(errors, read_json(content) if document is None else document)
        raise InvalidRequest(f"The request is wrong: {faults[0].detail}", faults) from error
