"""What must not happen in a page: errors, breaches of its policy, requests that lead elsewhere."""

from typing import Any


class Watched:
    def __init__(self, page: Any, origin: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self._expected: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", lambda message: self._console(message.type, f"{message.text} {message.location['url']}"))
        page.on("request", lambda request: self._request(request.url, origin))

    def expect(self, status: int) -> None:
        """An answer with this status is what the test is about: Chromium says so in its console."""
        self._expected.append(f"the server responded with a status of {status} ")

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(each in text for each in self._expected):
            self.faults.append(f"{kind}: {text}")

    def _request(self, url: str, origin: str) -> None:
        if not url.startswith((f"{origin}/", "data:")):
            self.faults.append(f"elsewhere: {url}")
