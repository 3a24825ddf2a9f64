"""What all tables have in common."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase

from service.store.types import Count, Document, Identifier, Metadata, Moment, Vector


class Table(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_index",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {
        str: Text,
        int: Count,
        float: Double,
        datetime: Moment,
        list[float]: Vector,
        dict[str, Any]: Document,
        dict[str, str]: Metadata,
        list[Any]: Document,
        bytes: LargeBinary,
        UUID: Identifier,
    }
