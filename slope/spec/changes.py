"""What may be changed of a job that was accepted, and how a request is changed for another run of it."""

from typing import Annotated, Any

from pydantic import Field, RootModel

from slope.spec.faults import invalid
from slope.spec.job import MAX_METADATA, MetadataName, MetadataValue, Name
from slope.spec.part import FewFaults, Part


class JobChange(Part):
    """A merge patch (RFC 7396) of a job: what it does not name stays, and null takes away."""

    name: Name | None = Field(default=None, examples=["champion"])
    """What people call it."""
    metadata: Annotated[dict[MetadataName, MetadataValue | None], FewFaults] | None = Field(
        default=None, examples=[{"course": "autograd", "draft": None}]
    )
    """Words to find it by: those of other keys stay; null in the place of all takes them all."""

    def of_name(self, name: str | None) -> str | None:
        return self.name if "name" in self.model_fields_set else name

    def of_metadata(self, metadata: dict[str, str]) -> dict[str, str]:
        """The metadata after the change. Raises ValidationError where a job would have too much of it."""
        if "metadata" not in self.model_fields_set:
            return metadata
        merged: dict[str, str] = merge_patch(metadata, self.metadata) or {}
        if len(merged) > MAX_METADATA:
            raise invalid(("metadata",), f"With this change the job would have {len(merged)} words, not {MAX_METADATA}")
        return merged


class RequestPatch(RootModel[dict[str, Any]]):
    """A merge patch (RFC 7396) of a job's request: what it does not name stays, and null takes away."""


def merge_patch(document: Any, patch: Any) -> Any:
    """The document after a merge patch (RFC 7396). Neither of the two is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
