"""Errors about who may come in."""

from service.errors.base import ServiceError

_CHALLENGE = 'Bearer realm="slope"'


class KeyMissing(ServiceError):
    """The service asks everybody for a key. Send it as `Authorization: Bearer slope_…`; the operator makes one with
    `slope keys create`."""

    status = 401
    type = "key-missing"
    title = "A key is needed"

    def __init__(self) -> None:
        detail = "Send a key as `Authorization: Bearer slope_…`: its operator makes one by `slope keys create`"
        super().__init__(detail, headers={"WWW-Authenticate": _CHALLENGE})


class KeyNotValid(ServiceError):
    """The key that was sent lets nobody in: it is mistyped, unknown, revoked or expired, as `detail` says. Look whether
    all of it was copied, or ask for another."""

    status = 401
    type = "key-not-valid"
    title = "The key is not valid"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})


class ScopeTooSmall(ServiceError):
    """The key is valid, and not for this: `detail` says which scope the call needs. Keys of the scope `read` look and
    compute, those of `train` change things as well, and those of `admin` give out keys."""

    status = 403
    type = "scope-too-small"
    title = "The key is not for this"

    def __init__(self, needed: str, scope: str) -> None:
        super().__init__(f"This call needs a key of the scope {needed}, and yours is of the scope {scope}")


class KeyNotFound(ServiceError):
    """There is no key of this id. `GET /v1/keys` and `slope keys list` have all."""

    status = 404
    type = "key-not-found"
    title = "There is no such key"
    advice = "`slope keys list` has all"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id}")


class KeyNameTaken(ServiceError):
    """A key of this name is in use. Choose another name, rotate that key, or revoke it first."""

    status = 409
    type = "key-name-taken"
    title = "There is a key of this name"
    advice = "`slope keys rotate` and `slope keys revoke` do so"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a key {name} that is valid: choose another name, or rotate or revoke that one")


class KeyHasEnded(ServiceError):
    """The key was revoked, has expired, or was rotated before: there is nothing to be rotated. Make a new key."""

    status = 409
    type = "key-has-ended"
    title = "The key has ended"
    advice = "`slope keys create` does so"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The key {key_id} was revoked, has expired, or was rotated before: make a new one")


class NoKeys(ServiceError):
    """The service is to be reached from other machines, and there is no key by which it could tell who may."""

    type = "no-keys"
    title = "Nobody has a key"

    def __init__(self, detail: str, making: str) -> None:
        super().__init__(detail)
        self.advice = (
            f"Make one with `{making}`, listen on 127.0.0.1, or say --insecure where whoever reaches the service may do"
            " everything"
        )
