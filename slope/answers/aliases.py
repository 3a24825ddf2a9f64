"""Answers about aliases of jobs."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from slope.answers.view import View


class AliasView(View):
    name: str = Field(examples=["champion"])
    """It stands in addresses in the place of the job's id."""
    job: UUID
    """The id of the job that it stands for."""
    changed_at: datetime
    """When it was given to this job."""
