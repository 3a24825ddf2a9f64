"""What is said where nobody answers at the address of the service."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2


@contextmanager
def addressed() -> Iterator[None]:
    """A connection that cannot be made is an error of the same class that says where to, and what to do."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        where = error.request.url
        raise type(error)(
            f"There is no answer from {where.scheme}://{where.netloc.decode()}: {error}. Start a service there by"
            " `slope serve`, or give another address by `url` or SLOPE_URL",
            request=error.request,
        ) from error
