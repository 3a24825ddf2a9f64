"""The table of holds."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Table


class Hold(Table):
    """While one lasts, the objects of datasets that are deleted stay: somebody copies them."""

    __tablename__ = "holds"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    """Whoever holds extends it; what is left of one that died ends by itself."""
