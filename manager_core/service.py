"""The processes behind `cloudify-manager up`, `serve` and `worker`: wiring, signals, readiness, a clean stop.

`up` runs the API in the main thread; the scheduler's loop, the worker and the housekeeping have a thread each, and
executions are processes of the worker's fork server. The systemd units run the same parts apart.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sdnotify
import uvicorn

from manager_core.bootstrap import DEFAULT_TENANT, Core, build
from manager_core.errors import ManagerError
from manager_core.files import peers
from manager_core.runtime.heap import calm
from manager_core.secrets.agreement import agree_on_key
from manager_core.settings import Settings
from manager_core.store.problems import log_in_one_line, one_line, start_problem

log = logging.getLogger("manager.service")

WATCHDOG_SECONDS = 30.0
"""How often a healthy API tells systemd so; the unit allows 300 s."""


def run_up(settings: Settings, *, example: bool = False) -> int:
    """Run everything in the foreground until a signal; returns the exit status."""
    from manager_core.housekeeping import Housekeeping
    from manager_core.runtime.worker import Worker
    from scheduler.loop import Loop

    listener = _listen(settings)
    if listener is None:
        return 1
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    core = _build(settings)
    if core is None:
        return 1
    worker = Worker(core)
    loop = Loop(core.schedules.port(), core.clock, settings.scheduler_interval)
    housekeeping = Housekeeping(core)
    died: list[str] = []
    threads = [_thread("worker", worker.run, died), _thread("scheduler", loop.run, died)]

    def ready() -> None:
        _announce(core)
        for thread in threads:
            thread.start()
        housekeeping.start()
        if example:
            from manager_core.tour import tell

            threading.Thread(target=tell, args=(core,), name="tour", daemon=True).start()

    def stop() -> None:
        housekeeping.stop()
        loop.stop()
        worker.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        core.close()

    return _serve(core, listener, ready, stop) or len(died[:1])


def run_serve(settings: Settings) -> int:
    """Run the API alone until a signal; returns the exit status."""
    listener = _listen(settings)
    if listener is None:
        return 1
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    core = _build(settings)
    if core is None:
        return 1
    return _serve(core, listener, lambda: _announce(core), core.close)


def run_worker(settings: Settings) -> int:
    """Run a worker and its housekeeping until a signal; returns the exit status."""
    from manager_core.housekeeping import Housekeeping
    from manager_core.runtime.worker import Worker

    core = _build(settings)
    if core is None:
        return 1
    worker = Worker(core)
    housekeeping = Housekeeping(core)
    notifier = sdnotify.SystemdNotifier()

    def stop(number: int, _frame: Any) -> None:
        log.info("stopping signal=%s", signal.Signals(number).name)
        notifier.notify("STOPPING=1")
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    housekeeping.start()
    notifier.notify("READY=1")
    _settle_memory()
    try:
        worker.run()
    finally:
        housekeeping.stop()
        core.close()
    return 0


def run_migrate(settings: Settings) -> int:
    """Migrate the database; returns the exit status."""
    from manager_core.bootstrap import make_data_dir
    from manager_core.store.engine import make_engine, refuse_damaged, refuse_old
    from manager_core.store.migrate import HEAD, migrate

    configure_logging(settings)
    try:
        make_data_dir(settings)
        engine = make_engine(settings.url)
        try:
            refuse_damaged(engine)
            refuse_old(engine)
            changed = migrate(engine)
        finally:
            engine.dispose()
    except Exception as error:  # whatever keeps it from migrating is told in one line
        log.debug("migrate_failed", exc_info=True)
        print(f"error: {start_problem(error, settings.url)}", file=sys.stderr)
        return 1
    print(f"The database is at revision {HEAD}" + ("." if changed else ", as it was."))
    return 0


def run_move(settings: Settings, folder: Path) -> int:
    """Copy a SQLite data directory into PostgreSQL; prints the counts; returns the exit status."""
    from manager_core.moving.command import move
    from manager_core.moving.source import MoveRefused

    configure_logging(settings)
    try:
        move(settings, folder, print)
    except MoveRefused as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # PostgreSQL is away, refuses, or is newer
        log.debug("move_failed", exc_info=True)
        print(f"error: {start_problem(error, settings.url)}", file=sys.stderr)
        return 1
    return 0


def run_create_admin(settings: Settings, username: str) -> int:
    """Create an administrator or renew its password; prints a generated one; returns the exit status."""
    core = _build(settings)
    if core is None:
        return 1
    given = sys.stdin.readline().strip() if not sys.stdin.isatty() else ""
    try:
        password = core.access.set_admin(username, given or None)
    except ManagerError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except Exception as error:  # the database went away, or refuses
        log.debug("create_admin_failed", exc_info=True)
        print(f"error: {start_problem(error, settings.url)}", file=sys.stderr)
        return 1
    finally:
        core.close()
    print(f"{username} is a system administrator." + ("" if given else f" Password: {password}"))
    return 0


def _thread(name: str, target: Callable[[], object], died: list[str]) -> threading.Thread:
    """Return a thread that ends the whole process when its part dies: half a service is worse than none.

    `died` gets the part's name: the process then ends with status 1, so that whoever supervises it starts it again.
    """

    def guarded() -> None:
        try:
            target()
        except BaseException:
            log.exception("part_died part=%s", name)
            died.append(name)
            os.kill(os.getpid(), signal.SIGTERM)

    return threading.Thread(target=guarded, name=name, daemon=True)


def configure_logging(settings: Settings) -> None:
    """Send the service's own log lines to standard error, one line each."""
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for library in ("procrastinate", "psycopg.pool"):  # a lost connection is told once, by who listens over it
        logging.getLogger(library).setLevel(logging.CRITICAL)
    log_in_one_line()


def _build(settings: Settings) -> Core | None:
    configure_logging(settings)
    core = None
    try:
        core = build(settings)
        agree_on_key(core)
        return core
    except Exception as error:  # whatever keeps the service from starting is told in one line
        log.debug("start_failed", exc_info=True)
        print(f"error: the manager cannot start: {start_problem(error, settings.url)}", file=sys.stderr)
        if core is not None:
            core.close()
        return None


def _listen(settings: Settings) -> socket.socket | None:
    """Bind before anything else is started, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        print(
            f"error: cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Give another port with --port or CLOUDIFY_PORT.",
            file=sys.stderr,
        )
        return None
    listener.set_inheritable(False)
    return listener


def _settle_memory() -> None:
    """Keep what the start made out of later collections, and make those rarer: a big plan is read twice as fast."""
    gc.collect()
    calm()


def _announce(core: Core) -> None:
    settings = core.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if core.access.generated_password:
        print(
            f"First start: user admin, tenant {DEFAULT_TENANT}, password {core.access.generated_password}\n"
            f"  (kept in {settings.data_dir / 'admin-password'})"
        )
    print(f"ready on http://{host}:{settings.port}", flush=True)


class _Server(uvicorn.Server):
    """uvicorn, telling when it serves."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()


def _serve(core: Core, listener: socket.socket, ready: Callable[[], None], stop: Callable[[], None]) -> int:
    from manager_core.rest.app import create_app

    notifier = sdnotify.SystemdNotifier()
    finished = threading.Event()
    directory = peers.mark(core)

    def beat() -> None:
        # Each beat proves that the database answers; the event loop's life is proven by systemd's own socket checks.
        while True:
            try:
                with core.store.read() as session:
                    session.connection().exec_driver_sql("SELECT 1")
                peers.announce(core, directory)
            except Exception as error:  # noqa: BLE001 - it answers 503 meanwhile; away for longer, systemd starts it again
                log.warning("database_awaited error=%s", one_line(error))
            else:
                notifier.notify("WATCHDOG=1")
            if finished.wait(WATCHDOG_SECONDS):
                return

    def on_ready() -> None:
        ready()
        notifier.notify("READY=1")
        threading.Thread(target=beat, name="watchdog", daemon=True).start()
        _settle_memory()

    config = uvicorn.Config(
        create_app(core),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    server = _Server(config, on_ready)
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has stopped; here it must not end the process before the other parts.
        signal.signal(number, lambda signum, _frame: received.append(signum))
    server.run(sockets=[listener])
    finished.set()
    notifier.notify("STOPPING=1")
    if received:
        log.info("stopping signal=%s", signal.Signals(received[0]).name)
    stop()
    return 0 if received or server.started else 1
