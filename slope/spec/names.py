"""What to say where nothing has a name: the nearest that something has, or all of them."""

from collections.abc import Collection
from difflib import get_close_matches

_LONGEST_COMPARED = 64
"""Characters of a name that is compared with those that are known."""
_MOST_COMPARED = 1_000
_MOST_TOLD = 40


def no_such(kind: str, name: str, known: Collection[str], where: str = "here") -> str:
    """Without the name itself, which is a part of the input and may be long: a pointer says which it is."""
    return f"There is no such {kind} {where}{_instead(name, known)}"


def _instead(name: str, known: Collection[str]) -> str:
    is_compared = len(name) <= _LONGEST_COMPARED and len(known) <= _MOST_COMPARED
    folded = {each.lower(): each for each in known} if is_compared else {}
    if near := get_close_matches(name.lower(), folded, 1):
        return f": did you mean `{folded[near[0]]}`?"
    if len(known) > _MOST_TOLD:
        return ""
    return f": there is {', '.join(sorted(known))}" if known else ", nor any other"
