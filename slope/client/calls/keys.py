"""Every call about keys, said once for both clients. All but `session` need a key of the scope `admin`."""

from datetime import datetime

from slope.answers.keys import KeyDeedView, KeyScope, KeyView, NewKeyView, SessionView
from slope.client.exchange.exchange import Call, Listing, ask, change, given

_PATH = "/v1/keys"


def session() -> Call[SessionView]:
    """Whose key the service is shown, and what it is for."""
    return ask(SessionView, "/v1/session")


def create_key(
    name: str, *, scope: KeyScope = "read", owner: str | None = None, expires_at: datetime | None = None
) -> Call[NewKeyView]:
    """Make a key. Keep its `key`: it is told this once. By default its owner has its name, and it never ends."""
    wanted = {"name": name, "scope": scope, **given(owner=owner, expires_at=expires_at)}
    return change(NewKeyView, "POST", _PATH, json=wanted)


def keys() -> Listing[KeyView]:
    """All keys, also those that let nobody in any more, page by page."""
    return Listing.of(KeyView, _PATH)


def key(key_id: str) -> Call[KeyView]:
    """A key as it stands, without its secret."""
    return ask(KeyView, f"{_PATH}/{key_id}")


def rotate_key(key_id: str, *, overlap_seconds: int = 86_400) -> Call[NewKeyView]:
    """Make a key in the place of another, which goes on for the time of the overlap."""
    return change(NewKeyView, "POST", f"{_PATH}/{key_id}/rotate", params={"overlap_seconds": overlap_seconds})


def revoke_key(key_id: str) -> Call[KeyView]:
    """Let a key let nobody in from now on."""
    return change(KeyView, "POST", f"{_PATH}/{key_id}/revoke")


def key_log(key_id: str) -> Listing[KeyDeedView]:
    """What was changed with a key, the newest first, page by page."""
    return Listing.of(KeyDeedView, f"{_PATH}/{key_id}/log")
