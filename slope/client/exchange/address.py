"""Where the service is, and how it is reached."""

import os
from collections.abc import Mapping
from functools import cache
from ssl import SSLContext
from typing import Any

import httpx2

from slope import __version__
from slope.client.exchange.exchange import with_scheme

KEY_VARIABLE = "SLOPE_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 60.0
"""Twice as long as an answer is held back."""
LOOPBACK = [f"all://{host}" for host in ("127.0.0.1", "localhost", "[::1]")]
"""No proxy of the environment leads to this machine."""


def options(url: str | None, api_key: str | None, timeout: float, transport: Any) -> Mapping[str, Any]:
    """What both of httpx2's clients are made with. What is not given is as SLOPE_URL and SLOPE_API_KEY say."""
    key = api_key or os.environ.get(KEY_VARIABLE)
    headers = {"User-Agent": f"slope/{__version__}"} | ({"Authorization": f"Bearer {key}"} if key else {})
    reached = (
        {"mounts": dict.fromkeys(LOOPBACK), "verify": _trusted()} if transport is None else {"transport": transport}
    )
    base_url = with_scheme(url or os.environ.get("SLOPE_URL") or DEFAULT_URL)
    return {"base_url": base_url, "headers": headers, "timeout": timeout, **reached}


def _trusted() -> SSLContext:
    """The authorities that are trusted, as the environment names them; all clients share what was read of them."""
    return _read_authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _read_authorities(_file: str | None, _folder: str | None) -> SSLContext:
    """httpx2 would read them for every client: that takes longer than most calls, also where no call is encrypted."""
    return httpx2.create_ssl_context()
