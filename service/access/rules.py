"""Which scope a call needs. One rule for all: what only looks or computes needs `read`, what changes something `train`,
and whoever gives out keys is an `admin`. A few addresses hold no data, and need no key."""

import re

from service.access.callers import Scope

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_COMPUTES = re.compile(
    r"/v1/(plan|graphs)|/v1/jobs/[^/]+/(predict|invocations)|/v2/models/[^/]+(/versions/[^/]+)?/infer"
)
"""Calls that are POSTs because they take a body: they change nothing."""
METRICS = "/metrics"
_ADMIN = re.compile(rf"(/v1/keys|{METRICS}).*", re.DOTALL)  # the second counts what all owners do
"""Whatever begins so: what is no address of ours may be one to who reads it next."""
_SIGN_IN = "/v1/session"
_OPEN = re.compile(
    r"/livez|/readyz|/v2/health/(live|ready)"  # whoever looks after the service has no key
    r"|/openapi\.json|/docs(/.*)?|/redoc|/static-offline-docs/.*|/problems(/[^/]+)?"  # how to ask
    r"|/|/assets/[^/]+|/sign-in|/jobs(/.*)?|/compare|/sweeps(/[^/]+)?|/datasets(/[^/]+)?|/devices|/lab"  # the dashboard
)
"""Addresses of no data. The dashboard's are one page, which asks the API like everybody else."""


def needed_scope(method: str, path: str) -> Scope | None:
    """What a call needs, whether there is such a call or not; None where it needs no key."""
    if _ADMIN.fullmatch(path):
        return "admin"
    if path == _SIGN_IN:
        return "read" if method in SAFE_METHODS else None  # it is where one signs in and out
    if method in SAFE_METHODS:
        return None if _OPEN.fullmatch(path) else "read"
    return "read" if _COMPUTES.fullmatch(path) else "train"
