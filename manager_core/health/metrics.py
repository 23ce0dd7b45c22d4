"""The page Prometheus reads. Everything on it is computed from the database, so any API process can serve it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func
from sqlmodel import Session, col, select

from manager_core.executions.tables import Execution
from manager_core.health import counters
from manager_core.schedules.tables import ExecutionSchedule
from manager_core.states import ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_page(core: Core) -> bytes:
    """Return the figures of all processes in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(core))
    return generate_latest(registry)


class _Figures(Collector):
    """One scrape."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def collect(self) -> Iterable[Metric]:
        """Yield every figure."""
        with self._core.store.write() as session:
            counters.fold_history(session)
        with self._core.store.read() as session:
            counted = counters.read(session)
            yield from _scheduler_figures(counted)
            yield from self._execution_figures(session)
            yield from self._schedule_figures(session)
        report = self._core.health.report()
        up = GaugeMetricFamily("cloudify_service_up", "1 while a service is heard of in time.", labels=["service"])
        alive = GaugeMetricFamily("cloudify_service_instances", "Instances that are alive.", labels=["service"])
        for name, health in report.services.items():
            up.add_metric([name], float(health.is_well))
            alive.add_metric([name], float(health.instances))
        yield up
        yield alive

    def _execution_figures(self, session: Session) -> Iterable[Metric]:
        rows = session.exec(select(Execution.status, func.count()).group_by(col(Execution.status))).all()
        by_status = {row[0]: row[1] for row in rows}
        executions = GaugeMetricFamily("cloudify_executions", "Stored executions by status.", labels=["status"])
        for status in ExecutionStatus:
            executions.add_metric([status.value], float(by_status.get(status.value, 0)))
        yield executions
        yield GaugeMetricFamily(
            "cloudify_queue_length",
            "Executions that wait for others.",
            value=float(by_status.get(ExecutionStatus.QUEUED.value, 0)),
        )

    def _schedule_figures(self, session: Session) -> Iterable[Metric]:
        enabled = session.exec(
            select(func.count()).select_from(ExecutionSchedule).where(col(ExecutionSchedule.enabled))
        ).one()
        yield GaugeMetricFamily("cloudify_schedules_enabled", "Enabled schedules.", value=float(enabled))
        overdue = session.exec(
            select(func.count())
            .select_from(ExecutionSchedule)
            .where(col(ExecutionSchedule.enabled), col(ExecutionSchedule.next_occurrence) < self._core.clock.now())
        ).one()
        yield GaugeMetricFamily(
            "cloudify_schedules_due", "Enabled schedules the next poll decides.", value=float(overdue)
        )


def _scheduler_figures(counted: dict[tuple[str, str], float]) -> Iterable[Metric]:
    yield CounterMetricFamily("cloudify_scheduler_polls", "Polls.", value=counted.get(("polls", ""), 0.0))
    firings = CounterMetricFamily("cloudify_scheduler_firings", "Decided occurrences by outcome.", labels=["outcome"])
    for (name, label), value in sorted(counted.items()):
        if name == "firings":
            firings.add_metric([label], value)
    yield firings
    buckets, total = [], 0.0
    for bound in counters.LATENESS_BUCKETS:
        total += counted.get(("lateness", str(bound)), 0.0)
        buckets.append((str(bound), total))
    total += counted.get(("lateness", "+Inf"), 0.0)
    buckets.append(("+Inf", total))
    lateness = HistogramMetricFamily("cloudify_scheduler_lateness_seconds", "How late occurrences were fired.")
    lateness.add_metric([], buckets, sum_value=counted.get(("lateness_sum", ""), 0.0))
    yield lateness
