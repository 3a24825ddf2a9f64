"""Errors about a request as such: how it came, whether it can be read, and whether it is taken now."""

from service.errors.base import ServiceError


class InvalidRequest(ServiceError):
    status = 422
    type = "invalid-request"
    title = "The request is not valid"


class MalformedRequest(ServiceError):
    status = 400
    type = "malformed-request"
    title = "The request cannot be read"


class AddressNotFound(ServiceError):
    status = 404
    type = "not-found"
    title = "Not Found"

    def __init__(self) -> None:
        super().__init__("There is nothing at this address: /docs lists all calls")


class MethodNotAllowed(ServiceError):
    status = 405
    type = "method-not-allowed"
    title = "Method Not Allowed"

    def __init__(self, methods: str) -> None:
        super().__init__(f"This address takes {methods}: /docs lists all calls", headers={"Allow": methods})


class HostNotKnown(ServiceError):
    status = 421
    type = "host-not-known"
    title = "The service does not go by that name"

    def __init__(self) -> None:
        detail = "The request's Host is none of the service's names: its operator adds it to SLOPE_ALLOWED_HOSTS"
        super().__init__(detail)


class ForeignPage(ServiceError):
    status = 403
    type = "foreign-page"
    title = "A page of another site may not ask for this"

    def __init__(self) -> None:
        detail = "The request comes from a page of another origin: the operator adds that to SLOPE_ALLOWED_ORIGINS"
        super().__init__(detail)


class BodyTooLarge(ServiceError):
    status = 413
    type = "body-too-large"
    title = "The body is too large"

    def __init__(self) -> None:
        super().__init__("The body is larger than this service takes")


class BodyNotRead(ServiceError):
    status = 503
    type = "body-not-read"
    title = "The service could not read the body"

    def __init__(self) -> None:
        detail = (
            "The process that reads large bodies did not start or was ended, as where there is no memory:"
            " nothing was changed; send the body again in a moment, or a smaller one"
        )
        super().__init__(detail, headers={"Retry-After": "2"})


class HeadTooLarge(ServiceError):
    status = 431
    type = "head-too-large"
    title = "The request's headers are too large"

    def __init__(self) -> None:
        super().__init__("The request line and the headers are together larger than 64 KB")


class TooSlow(ServiceError):
    status = 408
    type = "too-slow"
    title = "The request did not arrive in time"

    def __init__(self) -> None:
        super().__init__("The request stopped, or came too slowly, before its end: nothing was changed; send it again")


class TooManyRequests(ServiceError):
    status = 503
    type = "too-many-requests"
    title = "The service is busy"

    def __init__(self) -> None:
        detail = "It has as many requests in work as it takes at once: repeat yours in a moment"
        super().__init__(detail, headers={"Retry-After": "1"})


class NotAcceptable(ServiceError):
    status = 406
    type = "not-acceptable"
    title = "There is no answer of that kind"

    def __init__(self, detail: str, offers: list[str]) -> None:
        super().__init__(f"{detail}: there is {', '.join(sorted(offers))}")


class UnsupportedMediaType(ServiceError):
    status = 415
    type = "unsupported-media-type"
    title = "The body is of a kind this call does not take"


class TooBusy(ServiceError):
    status = 503
    type = "too-busy"
    title = "Too many ask for long work at once"

    def __init__(self, most: int) -> None:
        detail = f"{most} replays, graphs, pictures and audits are under way or wait: ask again in a moment"
        super().__init__(detail, headers={"Retry-After": "2"})


class ClientGone(ServiceError):
    """Nobody reads its answer."""

    status = 499
    type = "client-gone"
    title = "The client has gone"

    def __init__(self) -> None:
        super().__init__("The client has closed its connection: the work was called off")


class IdempotencyKeyReused(ServiceError):
    status = 422
    type = "idempotency-key-reused"
    title = "The idempotency key was used for another request"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with a different body before: use a new key for a new request")


class IdempotencyKeyInFlight(ServiceError):
    status = 409
    type = "idempotency-key-in-flight"
    title = "A request with this idempotency key is being handled"

    def __init__(self) -> None:
        detail = "A request with this Idempotency-Key is still in flight: repeat yours in a moment"
        super().__init__(detail, headers={"Retry-After": "1"})
