"""Heartbeats of the services and the health verdict."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from manager_core.health import counters
from manager_core.health.tables import Heartbeat
from manager_core.health.verdict import Beat, ServiceHealth, judge
from manager_core.store.upsert import upsert

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

SCHEDULER = "scheduler"
WORKER = "worker"
_FORGOTTEN_AFTER = timedelta(days=1)
"""Instances that were not heard of for so long are gone, not ill."""

log = logging.getLogger("manager.health")


@dataclass(frozen=True)
class HealthReport:
    """What `/health` says.

    Attributes:
        database: whether it answers.
        services: scheduler and worker, each with its verdict; empty when the database does not answer.
    """

    database: bool
    services: dict[str, ServiceHealth]

    @property
    def is_well(self) -> bool:
        """True when everything that has to run does."""
        return self.database and all(health.is_well for health in self.services.values())


class Health:
    """Heartbeats of the services and the health verdict."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def beat(
        self,
        service: str,
        instance: str,
        next_due_at: datetime | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Store a sign of life, in place of the instance's last one.

        Args:
            service: `scheduler` or `worker`.
            instance: names the process among those of its service.
            next_due_at: until when the next beat will have come; a lease from now when None.
            details: figures for people, shown nowhere without credentials.
        """
        with self._core.store.write() as session:
            self.beat_in(session, service, instance, next_due_at, details)

    def beat_in(
        self,
        session: Session,
        service: str,
        instance: str,
        next_due_at: datetime | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Store a sign of life in the caller's transaction; a scheduler's also counts as a poll."""
        now = self._core.clock.now()
        due = next_due_at or now + timedelta(seconds=self._core.settings.lease_seconds)
        row = {
            "service": service,
            "instance": instance,
            "started_at": now,
            "beat_at": now,
            "next_due_at": due,
            "details": details,
        }
        upsert(
            session,
            Heartbeat,
            [row],
            key=["service", "instance"],
            change=lambda _present, offered: {name: offered[name] for name in ("beat_at", "next_due_at", "details")},
        )
        if service == SCHEDULER:
            counters.add(session, {("polls", ""): 1.0})
            counters.fold_history(session)
        gone = delete(Heartbeat).where(
            col(Heartbeat.beat_at) < now - _FORGOTTEN_AFTER, col(Heartbeat.service) == service
        )
        session.connection().execute(gone)

    def report(self) -> HealthReport:
        """Return how database, scheduler and worker are; never raises for an ill database."""
        now = self._core.clock.now()
        try:
            with self._core.store.read() as session:
                session.connection().execute(text("SELECT 1"))
                rows = session.exec(select(Heartbeat)).all()
        except SQLAlchemyError:
            log.exception("health_database_unreachable")
            return HealthReport(False, {})
        services = {}
        for service in (SCHEDULER, WORKER):
            beats = [Beat(row.beat_at, row.next_due_at or row.beat_at) for row in rows if row.service == service]
            services[service] = judge(beats, now)
        return HealthReport(True, services)
