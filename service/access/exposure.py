"""Whether a service asks for keys, by where it listens: only what this machine alone can reach does without."""

import shlex
from ipaddress import ip_address
from typing import Literal

from service.errors import NoKeys
from service.settings import Settings
from service.store.database import Database
from service.store.owners import keys

Auth = Literal["off", "required"]


def settle_auth(settings: Settings, database: Database, host: str, *, insecure: bool) -> Auth:
    """Whether everybody is asked for a key. Raises NoKeys where other machines reach the host and nobody has one."""
    if settings.auth == "required":
        return "required"
    if insecure or is_loopback(host):
        return "off"
    if settings.auth == "off":
        raise NoKeys(f"Other machines reach {host}, and SLOPE_AUTH=off would let them all in", key_command(settings))
    with database.reading() as session:
        if not keys.has_keys(session):
            detail = f"Other machines reach {host}, and the database has no key by which to tell who may come in"
            raise NoKeys(detail, key_command(settings))
    return "required"


def key_command(settings: Settings, scope: str = "admin") -> str:
    """What makes a key in the database of these settings: it is named where it is embedded in another folder."""
    is_named = not settings.database_url and "data_dir" in settings.model_fields_set
    folder = f" --data-dir {shlex.quote(str(settings.data_dir))}" if is_named else ""
    return f"slope keys create NAME --scope {scope}{folder}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
