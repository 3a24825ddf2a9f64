"""Where the service is, and how it is reached."""

import os
from collections.abc import Mapping
from typing import Any

from slope import __version__
from slope.client.exchange import with_scheme

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
    reached = {"mounts": dict.fromkeys(LOOPBACK)} if transport is None else {"transport": transport}
    base_url = with_scheme(url or os.environ.get("SLOPE_URL") or DEFAULT_URL)
    return {"base_url": base_url, "headers": headers, "timeout": timeout, **reached}
