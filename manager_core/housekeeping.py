"""Jobs that keep the manager tidy: retention. APScheduler runs them; none decides a firing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from apscheduler.schedulers.background import BackgroundScheduler

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

log = logging.getLogger("manager.housekeeping")

RETENTION_SECONDS = 600


class Housekeeping:
    """The periodic jobs of one process. Any number of processes may run them: each job is safe to run twice."""

    def __init__(self, core: Core) -> None:
        """Prepare the jobs; `start` runs them."""
        self._core = core
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._add("retention", RETENTION_SECONDS, self.retention)

    def start(self) -> None:
        """Begin to run the jobs in a thread."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop; a job that runs is waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def retention(self) -> None:
        """Delete the oldest history beyond what each schedule may keep, and forgotten temporary files."""
        self._core.schedules.prune_history()
        self._core.files.prune_temporary(older_than_seconds=86_400, now=self._core.clock.now())

    def _add(self, name: str, seconds: float, job: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                job()
            except Exception:
                log.exception("housekeeping_failed job=%s", name)

        self._scheduler.add_job(guarded, "interval", seconds=seconds, id=name)
