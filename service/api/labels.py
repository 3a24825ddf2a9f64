"""The query parameters `metadata[key]=value`, whose names are not known beforehand."""

import re
from typing import Annotated

from fastapi import Depends, Request

from service.errors import InvalidRequest
from slope.spec import Fault

_NAME = re.compile(r"metadata\[(.+)\]", re.DOTALL)


def _labels(request: Request) -> tuple[tuple[str, str], ...]:
    found = [
        (match[1], value) for name, value in request.query_params.multi_items() if (match := _NAME.fullmatch(name))
    ]
    if any("\0" in key + value for key, value in found):
        raise InvalidRequest("Metadata holds no NUL", [Fault("Metadata holds no NUL", "/query/metadata")])
    return tuple(found)


LabelsDep = Annotated[tuple[tuple[str, str], ...], Depends(_labels)]
