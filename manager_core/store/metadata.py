"""Every table of the manager, imported in one place: what migrations and tests compare with."""

from __future__ import annotations

from sqlmodel import SQLModel

import manager_core.access.tables
import manager_core.blueprints.tables
import manager_core.configuration.tables
import manager_core.deployments.tables
import manager_core.events.tables
import manager_core.executions.tables
import manager_core.filters.tables
import manager_core.health.tables
import manager_core.maintenance.tables
import manager_core.nodes.tables
import manager_core.plugins.tables
import manager_core.schedules.tables
import manager_core.secrets.tables
import manager_core.snapshots.tables  # noqa: F401 - all imports here are for their effect on the metadata

metadata = SQLModel.metadata
