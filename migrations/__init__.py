"""Alembic migrations, shipped in the wheel: one set for PostgreSQL and SQLite."""
