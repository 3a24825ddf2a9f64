"""Errors about what one owner may use."""

from service.errors.base import ServiceError


class OwnerQuotaReached(ServiceError):
    """You have as many requests, jobs, bytes or recorded numbers as one owner may have (SLOPE_OWNER_REQUESTS,
    SLOPE_OWNER_JOBS, SLOPE_OWNER_BYTES, SLOPE_OWNER_NUMBERS). Wait as long as `Retry-After` says; where something is
    kept, delete some of it. Nothing was changed."""

    status = 429
    type = "quota-exceeded"
    title = "An owner may not use more"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(f"Nothing was changed: {detail}", headers={"Retry-After": str(retry_after)})


class OwnerBytesReached(OwnerQuotaReached):
    """Of datasets: the type is the same."""

    def __init__(self, size: int, most: int) -> None:
        detail = f"with {size:,} bytes more, your datasets would take more than {most:,}: delete some or jobs with data"
        super().__init__(detail, retry_after=60)
