"""Errors about a request as such: how it came, whether it can be read, and whether it is taken now."""

from service.errors.base import ServiceError


class InvalidRequest(ServiceError):
    """The request can be read, and something in it is not allowed. `errors` point at each fault: mend them, and
    send it again."""

    status = 422
    type = "invalid-request"
    title = "The request is not valid"


class MalformedRequest(ServiceError):
    """The request is not HTTP, or its body not what it says it is: JSON that does not parse, a compressed body that
    breaks off. Look at what your client really sends."""

    status = 400
    type = "malformed-request"
    title = "The request cannot be read"


class AddressNotFound(ServiceError):
    """No call has this address. `/docs` and `/openapi.json` list all calls."""

    status = 404
    type = "not-found"
    title = "Not Found"

    def __init__(self, root_path: str = "") -> None:
        super().__init__(f"There is nothing at this address: {root_path}/docs lists all calls")


class MethodNotAllowed(ServiceError):
    """The address is right, and the method is not: `Allow` names those there are."""

    status = 405
    type = "method-not-allowed"
    title = "Method Not Allowed"

    def __init__(self, methods: str, root_path: str = "") -> None:
        detail = f"This address takes {methods}: {root_path}/docs lists all calls"
        super().__init__(detail, headers={"Allow": methods})


class HostNotKnown(ServiceError):
    """The request's `Host` is none of the names that the service goes by, as where a page's name was pointed at it.
    The operator lists further names in SLOPE_ALLOWED_HOSTS."""

    status = 421
    type = "host-not-known"
    title = "The service is not known by that name"

    def __init__(self) -> None:
        detail = "The request's Host is none of the service's names: its operator adds it to SLOPE_ALLOWED_HOSTS"
        super().__init__(detail)


class ForeignPage(ServiceError):
    """A browser says that a page of another site asks for a change. The operator lists the origins that may in
    SLOPE_ALLOWED_ORIGINS."""

    status = 403
    type = "foreign-page"
    title = "A page of another site may not ask for this"

    def __init__(self) -> None:
        detail = "The request comes from a page of another origin: the operator adds that to SLOPE_ALLOWED_ORIGINS"
        super().__init__(detail)


class BodyTooLarge(ServiceError):
    """The body is larger than SLOPE_MAX_BODY_SIZE, or an upload than SLOPE_MAX_UPLOAD_SIZE. Upload large data as a
    dataset, and name it in the job by its id."""

    status = 413
    type = "body-too-large"
    title = "The body is too large"

    def __init__(self) -> None:
        super().__init__("The body is larger than this service takes: send less, or large data as a dataset of its own")


class BodyNotRead(ServiceError):
    """There was no memory, or no process, to read a large body. Nothing was changed: send it again in a moment, or
    a smaller one."""

    status = 503
    type = "body-not-read"
    title = "The service could not read the body"

    def __init__(self) -> None:
        detail = (
            "The process that reads large bodies did not start or was ended, perhaps for lack of memory:"
            " nothing was changed; send the body again in a moment, or a smaller one"
        )
        super().__init__(detail, headers={"Retry-After": "2"})


class HeadTooLarge(ServiceError):
    """The request line and the headers are together larger than 64 KB. Send fewer cookies and filters."""

    status = 431
    type = "head-too-large"
    title = "The request's headers are too large"

    def __init__(self) -> None:
        detail = "The request line and the headers are together larger than 64 KB: send fewer cookies and filters"
        super().__init__(detail)


class TooSlow(ServiceError):
    """The request stopped, or came too slowly, before its end. Nothing was changed: send it again."""

    status = 408
    type = "too-slow"
    title = "The request did not arrive in time"

    def __init__(self) -> None:
        super().__init__("The request stopped, or came too slowly, before its end: nothing was changed; send it again")


class TooManyRequests(ServiceError):
    """The service has as many requests in work as it takes (SLOPE_MAX_CONNECTIONS). Wait as long as `Retry-After`
    says, and repeat yours."""

    status = 503
    type = "too-many-requests"
    title = "The service is busy"

    def __init__(self) -> None:
        detail = "It works on as many requests as it takes at a time: repeat yours in a moment"
        super().__init__(detail, headers={"Retry-After": "1"})


class TooManyConnections(ServiceError):
    """The address that the request comes from has as many connections at work as one may have
    (SLOPE_MAX_CONNECTIONS_PER_ADDRESS). Wait for answers, or end some streams, and repeat yours."""

    status = 503
    type = "too-many-connections"
    title = "Too many connections come from one address"

    def __init__(self) -> None:
        detail = (
            "As many connections of your address are at work as one may have: wait for answers or end streams, then"
            " repeat the request"
        )
        super().__init__(detail, headers={"Retry-After": "1"})


class OutOfResources(ServiceError):
    """The service has no memory, no file descriptor or no thread left for this request. Nothing was changed: repeat it
    in a moment, or ask for less."""

    status = 503
    type = "out-of-resources"
    title = "The service has nothing left to answer with"
    advice = "Give the service more memory, or more open files (`ulimit -n`)"

    def __init__(self) -> None:
        detail = "There is no memory, file or thread left for this request: repeat it in a moment, or ask for less"
        super().__init__(detail, headers={"Retry-After": "2"})


class NotAcceptable(ServiceError):
    """`Accept` names no kind of answer that this call gives. `detail` lists those there are; `*/*` takes any."""

    status = 406
    type = "not-acceptable"
    title = "There is no answer of that kind"

    def __init__(self, detail: str, offers: list[str]) -> None:
        super().__init__(f"{detail}: there is {', '.join(sorted(offers))}")


class UnsupportedMediaType(ServiceError):
    """The body's `Content-Type` or `Content-Encoding` is not one that this call takes. `detail` names those that it
    takes."""

    status = 415
    type = "unsupported-media-type"
    title = "The body is of a kind this call does not take"


class TooBusy(ServiceError):
    """As many long requests as the service takes are under way or wait: replays, graphs, pictures, audits and
    statistics; searches, samples and plans. Wait as long as `Retry-After` says, and repeat yours."""

    status = 503
    type = "too-busy"
    title = "Too much long work is asked for"

    def __init__(self, most: int) -> None:
        detail = f"{most} long requests of this kind are under way or wait: ask again in a moment"
        super().__init__(detail, headers={"Retry-After": "2"})


class SearchTooLong(ServiceError):
    """To find what the filters say takes longer than SLOPE_SEARCH_SECONDS. Give more of them, or others: `status`,
    `dataset_id`, `sweep_id` and `name` are found without a look at every job."""

    status = 422
    type = "search-too-long"
    title = "The search takes too long"

    def __init__(self) -> None:
        super().__init__(
            "The search was given up, for it took too long: narrow it by status, name, dataset_id or sweep_id"
        )


class ClientGone(ServiceError):
    """Nobody reads its answer."""

    status = 499
    type = "client-gone"
    title = "The client has gone"

    def __init__(self) -> None:
        super().__init__("The client has closed its connection: the work was stopped")


class IdempotencyKeyReused(ServiceError):
    """An Idempotency-Key is for one request and its repetitions. Make a new key for a new request."""

    status = 422
    type = "idempotency-key-reused"
    title = "The idempotency key was used for another request"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with a different body before: use a new key for a new request")


class IdempotencyKeyInFlight(ServiceError):
    """The first request with this Idempotency-Key has not been answered yet. Repeat yours in a moment: it
    then gets the same answer."""

    status = 409
    type = "idempotency-key-in-flight"
    title = "A request with this idempotency key is being handled"

    def __init__(self) -> None:
        detail = "A request with this Idempotency-Key is still in flight: repeat yours in a moment"
        super().__init__(detail, headers={"Retry-After": "1"})
