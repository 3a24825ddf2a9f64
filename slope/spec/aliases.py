"""Names by which jobs can be asked for in the place of their ids."""

import re
from uuid import UUID

from pydantic import Field

from slope.spec.faults import in_words
from slope.spec.part import Part

ALIAS = in_words(
    r"^[A-Za-z][A-Za-z0-9._-]{0,62}$",
    "An alias should be a letter, and then letters, digits, dots, dashes and _, at most 63 in all",
)
"""As it stands in an address: nothing in it needs to be escaped."""
_CALLS = ("cancel",)
"""What stands where an id would in the addresses of other calls."""


class AliasTarget(Part):
    """Which job an alias is to stand for."""

    job: UUID = Field(strict=False)
    """Its id."""


def is_alias(text: str) -> bool:
    """Whether jobs can be called so."""
    return re.search(ALIAS, text) is not None and not _is_like_an_id(text) and text not in _CALLS


def refuse_other_names(name: str) -> str:
    """Raise ValueError for a name that could be taken for something else."""
    if _is_like_an_id(name):
        raise ValueError("A name of 32 hexadecimal digits could be taken for a job's id: take another")
    if name in _CALLS:
        raise ValueError(f"{name} stands in the address of another call: take another name")
    return name


def _is_like_an_id(text: str) -> bool:
    """With dashes or without them."""
    return re.fullmatch(r"[0-9a-fA-F]{32}", text.replace("-", "")) is not None
