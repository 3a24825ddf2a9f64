"""Names and numbers in messages: the nearest to a name that nothing has, the first of many, how many there are."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches

_LONGEST_COMPARED = 64
"""Characters of a name that is compared with those that are known."""
_MOST_COMPARED = 1_000
_MOST_LISTED = 40
"""Known names: of more none is listed."""
_LONGEST_TOLD = 200
"""Characters of a name in a message: as many as a column's may have."""


def no_such(kind: str, name: str, known: Collection[str], where: str = "here") -> str:
    """Without the name itself, which is a part of the input and may be long: a pointer says which it is."""
    return f"There is no such {kind} {where}{_instead(name, known)}"


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many others there are."""
    others = len(names) - most
    return ", ".join(map(shortened, names[:most])) + (f" and {others:,} more" if others > 0 else "")


def shortened(name: str) -> str:
    """A name in a message: one that a client has made up may be a whole body."""
    return name if len(name) <= _LONGEST_TOLD else f"{name[: _LONGEST_TOLD - 1]}…"


def counted(count: int, noun: str) -> str:
    """1 row, 2 rows, 1,000 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _instead(name: str, known: Collection[str]) -> str:
    is_compared = len(name) <= _LONGEST_COMPARED and len(known) <= _MOST_COMPARED
    folded = {each.lower(): each for each in known} if is_compared else {}
    if near := get_close_matches(name.lower(), folded, 1):
        return f": did you mean `{folded[near[0]]}`?"
    if len(known) > _MOST_LISTED:
        return ""
    return f": there is {', '.join(sorted(known))}" if known else ", nor any other"
