"""Answers about keys."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from slope.answers.view import View

KeyScope = Literal["read", "train", "admin"]
KeyState = Literal["valid", "revoked", "expired"]


class KeyView(View):
    """A key without its secret."""

    id: str = Field(examples=["4fJ2k0QxWv7A"])
    """As it stands in the key, behind `slope_`."""
    name: str = Field(examples=["alice"])
    """What it is called. Of several of a name one is valid and not replaced."""
    owner: str = Field(examples=["alice"])
    """Whose things are made and seen with it."""
    scope: KeyScope
    """`read` looks and computes, `train` changes things as well, and `admin` sees what everybody has and gives out
    keys."""
    state: KeyState
    """Whether it lets in."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it ends; null where it never does."""
    revoked_at: datetime | None
    """Since when it lets nobody in; null where it was not revoked."""
    used_at: datetime | None
    """When it was last used, to the minute; null where it never was."""
    replaced_by: str | None
    """The id of the key that was made in its place."""


class NewKeyView(KeyView):
    """A key with its secret, which is told this once."""

    key: str = Field(examples=["slope_4fJ2k0QxWv7A_…"])
    """What to send as `Authorization: Bearer …`."""


class KeyDeedView(View):
    """A change that was asked for with a key."""

    id: UUID
    """Of the entry: later ones are greater."""
    at: datetime
    """When it was answered."""
    method: str = Field(examples=["POST"])
    """Of the request."""
    address: str = Field(examples=["/v1/jobs"])
    """Without its query."""
    subject: str | None
    """The id of what was changed or made, where there is one."""
    status: int = Field(examples=[202])
    """Of the answer."""


class SessionView(View):
    """Who asks."""

    owner: str
    """Whose things are made, and seen unless all are; empty where nobody is asked for a key."""
    scope: KeyScope
    """What the key is for."""
    key_id: str | None
    """Of the key; null where nobody is asked for one."""
