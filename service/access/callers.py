"""Who asks: what every request carries from the guard at the door to the database."""

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["read", "train", "admin"]
"""What a key is for. Each includes those before it."""
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Caller:
    """Somebody who asks."""

    owner: str
    """Whose things are made, and seen unless all are."""
    scope: Scope
    key_id: str | None
    """None without a key."""
    sees_all: bool

    def may(self, needed: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(needed)


ANYBODY = Caller(owner="", scope="admin", key_id=None, sees_all=True)
"""Where no keys are required, everybody is this one."""
VISITOR = Caller(owner="-", scope="read", key_id=None, sees_all=False)
"""Whoever looks at a page that needs no key, where others do. No key has this owner."""
