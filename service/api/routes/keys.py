"""Routes for keys."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from service.access import keys
from service.access.keys import NAME, NewKey
from service.api.dependencies import After, DatabaseDep, Limit, SessionDep, SettingsDep, require_json
from service.api.moments import Moment
from service.store.database import now
from service.store.tables import AccessKey
from slope.answers.keys import KeyDeedView, KeyScope, KeyView, NewKeyView
from slope.answers.view import Page
from slope.spec.faults import in_words
from slope.spec.part import Part

router = APIRouter(prefix="/v1/keys", tags=["keys"])

_ID = in_words(r"^[0-9A-Za-z]{12}$", "It should be the id of a key, 12 letters and digits: GET /v1/keys has all")
KeyId = Annotated[str, Path(pattern=_ID, description="The `id` of a key", examples=["4fJ2k0QxWv7A"])]
AfterKey = Annotated[str | None, Query(pattern=_ID, description="The `next` of the page before")]
Overlap = Annotated[
    int, Query(ge=0, le=30 * 86400, description="Seconds for which the old key lets in besides the new one")
]


class KeyRequest(Part):
    """A key that is to be made."""

    name: str = Field(pattern=NAME, examples=["alice"])
    """What to call it: letters, digits, dots, dashes, `_` and `@`."""
    scope: KeyScope = "read"
    """What it is for."""
    owner: str | None = Field(default=None, pattern=NAME)
    """Whose things it makes and sees; by default its own name."""
    expires_at: Moment | None = None
    """When it ends, with its zone; never by default."""


@router.post("", status_code=201, dependencies=[Depends(require_json)])
def create_key(wanted: KeyRequest, database: DatabaseDep, settings: SettingsDep, response: Response) -> NewKeyView:
    """Make a key. Its text is told this once: only a digest of it is kept."""
    made = keys.create_key(database, wanted.name, wanted.scope, owner=wanted.owner, expires=wanted.expires_at)
    return _told(made, response, settings.root_path)


@router.get("")
def list_keys(session: SessionDep, after: AfterKey = None, limit: Limit = 50) -> Page[KeyView]:
    """All keys by their ids, those that have ended, too."""
    found, following = keys.list_keys(session, after=after, limit=limit)
    moment = now(session)
    return Page(data=[_view(key, moment) for key in found], next=following)


@router.get("/{key_id}")
def get_key(key_id: KeyId, session: SessionDep) -> KeyView:
    """A key, without its secret."""
    return _view(keys.get_key(session, key_id), now(session))


@router.post("/{key_id}/rotate", status_code=201)
def rotate_key(
    key_id: KeyId,
    database: DatabaseDep,
    settings: SettingsDep,
    request: Request,
    response: Response,
    overlap_seconds: Overlap = 86400,
) -> NewKeyView:
    """Make a key in the place of another, of the same name, owner and scope, which lasts as long as that one did.

    The old one goes on for the time of the overlap.
    """
    made = keys.rotate_key(database, key_id, overlap=timedelta(seconds=overlap_seconds))
    request.app.state.door.forget(key_id)
    return _told(made, response, settings.root_path)


@router.post("/{key_id}/revoke")
def revoke_key(key_id: KeyId, database: DatabaseDep, request: Request) -> KeyView:
    """Let a key let nobody in any more: immediately here, and within a second elsewhere. What it made stays."""
    keys.revoke_key(database, key_id)
    request.app.state.door.forget(key_id)
    with database.reading() as session:
        return _view(keys.get_key(session, key_id), now(session))


@router.get("/{key_id}/log")
def list_deeds(key_id: KeyId, session: SessionDep, after: After = None, limit: Limit = 50) -> Page[KeyDeedView]:
    """What was changed with a key, newest first, and how it was answered."""
    found, following = keys.list_deeds(session, key_id, before=after, limit=limit)
    return Page(data=[KeyDeedView.model_validate(each) for each in found], next=str(following) if following else None)


def _view(key: AccessKey, moment: datetime) -> KeyView:
    return KeyView.model_validate(_facts(key, moment))


def _told(made: NewKey, response: Response, root_path: str) -> NewKeyView:
    response.headers["Location"] = f"{root_path}/v1/keys/{made.key.id}"
    response.headers["Cache-Control"] = "no-store"
    return NewKeyView.model_validate(_facts(made.key, made.key.created_at) | {"key": made.text})


def _facts(key: AccessKey, moment: datetime) -> dict[str, object]:
    told = {name: getattr(key, name, None) for name in KeyView.model_fields}
    return told | {"state": keys.state_of(key, moment)}
