"""Routes by which the dashboard signs in with a key, which its browser keeps in a cookie that no script can read."""

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from service.access.door import Door
from service.access.key_text import PresentedKey
from service.api.dependencies import CallerDep, SettingsDep, require_json
from service.api.guards.access import COOKIE
from slope.answers.keys import SessionView
from slope.spec.part import Part

router = APIRouter(prefix="/v1/session", tags=["keys"])


class SignIn(Part):
    """Somebody who signs in."""

    key: str = Field(max_length=200, examples=["slope_4fJ2k0QxWv7A_…"])
    """The whole key."""


@router.get("")
async def get_session(caller: CallerDep) -> SessionView:
    """Who asks, and for what the key is."""
    return SessionView.model_validate(caller)


@router.post("", dependencies=[Depends(require_json)])
async def sign_in(who: SignIn, request: Request, response: Response, settings: SettingsDep) -> SessionView:
    """Look at a key, and let this browser send it from now on, until it is closed."""
    door: Door = request.app.state.door
    text, path = who.key.strip(), _path(settings.root_path)
    shown = PresentedKey.parse(text)
    caller = door.admit(shown, await to_thread.run_sync(door.look_up, shown))
    response.set_cookie(COOKIE, text, path=path, secure=_is_secure(request), httponly=True, samesite="strict")
    return SessionView.model_validate(caller)


@router.delete("", status_code=204)
async def sign_out(response: Response, settings: SettingsDep) -> None:
    """Let this browser forget the key. Whoever has it can go on using it: revoke it where it may be known to others."""
    response.delete_cookie(COOKIE, path=_path(settings.root_path), httponly=True, samesite="strict")


def _path(root_path: str) -> str:
    return root_path or "/"


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, if only with a proxy before us."""
    return request.scope["scheme"] == "https" or request.headers.get("origin", "").startswith("https://")
