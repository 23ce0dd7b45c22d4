"""Alembic migrations, driven from `manager_core.store.migrate`; there is no alembic.ini."""
