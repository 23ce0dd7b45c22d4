"""Wake-ups as Procrastinate jobs on PostgreSQL: durable, and born in the transaction that makes an execution pending.

A job carries nothing: whichever worker gets it looks at the rows and takes what is pending by one conditional UPDATE. A
rolled-back start leaves no job, a committed one always leaves one. Procrastinate brings the queue, LISTEN/NOTIFY and
heartbeats; what it leaves to its user is done here: stalled jobs are retried, and a worker of it that returns for
whatever reason is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlmodel import Session

from manager_core.store.engine import network
from manager_core.store.problems import one_line

log = logging.getLogger("manager.dispatch")

QUEUE = "executions"
TASK = "manager_core.look"
ALIVE = "manager_core.alive"
POLL_SECONDS = 5.0
STALLED_SECONDS = 30.0
RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 30.0
_SCHEMA_KEY = 0x70726F63


@cache
def _deferrer() -> Any:
    """Return the application that only puts jobs in; it has no connection of its own."""
    from procrastinate import App, SyncPsycopgConnector

    return App(connector=SyncPsycopgConnector())


def ensure_schema(engine: Engine) -> None:
    """Create Procrastinate's tables and functions unless they are there; several processes may call it at once."""
    from procrastinate.schema import SchemaManager

    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_KEY})
        if connection.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar() is None:
            driver: Any = connection.connection.dbapi_connection
            driver.execute(SchemaManager.get_schema())


def defer_wake_up(session: Session) -> None:
    """Put a job into the queue, in the session's transaction."""
    connection = session.connection().connection.dbapi_connection
    _deferrer().configure_task(TASK, queue=QUEUE, connection=connection).defer()


class ProcrastinateWatch:
    """A thread with a Procrastinate worker that calls `wake` for every job. Life cycle: start, stop."""

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        """Work on the database at a SQLAlchemy URL."""
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._wake = wake
        self._wait = RETRY_SECONDS
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="procrastinate", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Repeatable."""
        self._stopped.set()
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself meanwhile
                loop.call_soon_threadsafe(task.cancel)
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                asyncio.run(self._main())
            except asyncio.CancelledError:
                pass
            except Exception as error:  # noqa: BLE001 - whatever ended it, it is started again
                log.warning("procrastinate_failed error=%s", one_line(error))
            # Any return counts as a failure: jobs lie unseen until the worker runs again.
            self._stopped.wait(self._wait)
            self._wait = min(2 * self._wait, MAX_RETRY_SECONDS)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._serve())
        if self._stopped.is_set():
            self._task.cancel()
        await self._task

    async def _serve(self) -> None:
        from procrastinate import App, PsycopgConnector

        app = App(connector=PsycopgConnector(conninfo=self._url, kwargs=network(self._url), min_size=1, max_size=3))

        @app.task(name=TASK, queue=QUEUE)
        async def look() -> None:
            self._wake()

        # A periodic job writes once a minute, so that a connection that was lost silently is noticed.
        @app.periodic(cron="* * * * *")
        @app.task(name=ALIVE, queue=QUEUE)
        async def alive(timestamp: int) -> None:
            del timestamp

        async with app.open_async():
            self._wait = RETRY_SECONDS
            self._wake()  # for whatever was committed while nobody looked
            repair = asyncio.create_task(self._retry_stalled(app))
            try:
                await app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=4,
                    install_signal_handlers=False,
                    delete_jobs="always",
                    fetch_job_polling_interval=POLL_SECONDS,
                )
            finally:
                repair.cancel()

    async def _retry_stalled(self, app: Any) -> None:
        """Give jobs of a worker that died to another one."""
        while True:
            await asyncio.sleep(STALLED_SECONDS / 2)
            with contextlib.suppress(Exception):
                for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
                    await app.job_manager.retry_job(job)
                self._wake()
