"""Secrets have no place in a log: those of this process are known by heart, others by their form."""

import json
import re
from collections.abc import Iterable

HIDDEN = "…"
_SHORTEST = 6
"""A secret of fewer characters would blot out words that mean something else."""
_LONGEST = 2_000
"""Characters of a name or a password in a URL: without an end, a line made for that takes the square of its length."""
_MARK = r"(\\*['\"]?\s*[:=,]\s*(?-i:b)?\\*['\"]?)"
"""What stands between a name and its value: in a header, a dictionary, a tuple, or JSON within JSON."""
_FORMS = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (rf"\b((?:proxy-)?authorization|x-api-key){_MARK}(?:[a-z]+\s+)?[^\s'\"\\]+", rf"\1\2{HIDDEN}"),
        (rf"\b((?:set-)?cookie){_MARK}[^'\"\\\r\n]+", rf"\1\2{HIDDEN}"),
        (rf"\b(\w*(?:password|passwd|secret|token|api_key)){_MARK}[^\s&'\"\\,;)}}]+", rf"\1\2{HIDDEN}"),
        (r"\b(bearer|basic)\s+[a-z0-9+/=._~-]{8,}", rf"\1 {HIDDEN}"),
        (r"\bslope_([a-z0-9]+)_[a-z0-9_-]{32,}", rf"slope_\1_{HIDDEN}"),
        (r"\bwhsec_[a-z0-9+/=_-]{8,}", f"whsec_{HIDDEN}"),
        (rf"(://[^\s/:@'\"]{{0,{_LONGEST}}}):[^\s@'\"]{{1,{_LONGEST}}}@", rf"\1:{HIDDEN}@"),
        (r"([?&](?:key|sig|signature|x-amz-[a-z-]+)=)[^\s&'\"\\#]+", rf"\1{HIDDEN}"),
    )
]


class Redactor:
    """Takes secrets out of a text."""

    def __init__(self, known: Iterable[str]) -> None:
        """`known` secrets, word for word; an empty or a very short one is none."""
        words = {word for each in known for word in (each, json.dumps(each)[1:-1]) if len(each) >= _SHORTEST}
        longest_first = sorted(words, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if words else None

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(HIDDEN, text)
        for pattern, replacement in _FORMS:
            text = pattern.sub(replacement, text)
        return text
