"""`cloudify-execution-scheduler`: the scheduler as a service of its own, one poll by hand, or a look ahead.

The entry point is the only module of this package that knows the manager core: it reads the settings, makes the clock,
builds the core, wires the loop to signals and to systemd, and prints.
"""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import sdnotify
import typer
from pydantic import ValidationError

from manager_core.bootstrap import Core, build
from manager_core.settings import Settings
from manager_core.store.problems import log_in_one_line, start_problem
from scheduler.clock import Clock, SystemClock
from scheduler.loop import Loop, Poll
from scheduler.poll import poll
from scheduler.ports import Settled
from scheduler.recurrence import RecurrenceError
from scheduler.recurrence.grammar import parse_time
from scheduler.recurrence.rule import utc_text
from scheduler.simulate import SimulatedSchedule, Simulation, simulate

log = logging.getLogger("scheduler")

WATCHDOG_SECONDS = 10.0
"""How often progress is reported to systemd; the contract asks for 30 s at most."""

app = typer.Typer(
    add_completion=False, help="Polls execution schedules and fires them.", pretty_exceptions_enable=False
)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where database and files live.")]
Interval = Annotated[float | None, typer.Option("--interval", min=0.001, help="Seconds between two polls.")]


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    data_dir: DataDir = None,
    interval: Interval = None,
    once: Annotated[bool, typer.Option("--once", help="Poll once, print a line for each verdict, and exit.")] = False,
) -> None:
    """Poll on the grid until SIGTERM or Ctrl-C; with --once poll a single time."""
    settings = _settings(data_dir=data_dir, scheduler_interval=interval)
    configure_logging(settings)
    if context.invoked_subcommand is not None:
        context.obj = settings
        return
    clock = SystemClock()
    core = _build(settings, clock)
    try:
        if once:
            for settled in _once(core, settings, clock):
                typer.echo(describe(settled))
        else:
            serve(core, settings, clock)
    finally:
        core.close()


def _settings(**given: object) -> Settings:
    """Read the settings, the command line first; say what is wrong in one line a problem."""
    try:
        return Settings(**given)
    except ValidationError as error:
        for problem in error.errors():
            typer.echo(f"error: setting {'.'.join(map(str, problem['loc']))}: {problem['msg']}", err=True)
        raise typer.Exit(1) from None


def _build(settings: Settings, clock: Clock) -> Core:
    try:
        return build(settings, clock=clock)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting is told in one line
        raise _failed(error, settings) from None


def _once(core: Core, settings: Settings, clock: Clock) -> Sequence[Settled]:
    try:
        return poll(core.schedules.port(), clock.now(), interval=settings.scheduler_interval)
    except Exception as error:  # noqa: BLE001 - asked for by hand: tried again by hand
        raise _failed(error, settings) from None


def _failed(error: Exception, settings: Settings) -> typer.Exit:
    log.debug("failed", exc_info=error)
    typer.echo(f"error: {start_problem(error, settings.url)}", err=True)
    return typer.Exit(1)


def configure_logging(settings: Settings) -> None:
    """Send the log lines to standard error, one line each."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    log_in_one_line()


def describe(settled: Settled) -> str:
    """Return the line `--once` prints for a verdict."""
    schedule = settled.verdict.schedule
    parts = [
        f"{schedule.tenant}/{schedule.deployment_id}/{schedule.name}",
        utc_text(settled.verdict.decision.occurrence),
        settled.outcome,
    ]
    if settled.execution_id:
        parts.append(f"execution {settled.execution_id}")
    if settled.reason:
        parts.append(settled.reason)
    return "  ".join(parts)


def serve(core: Core, settings: Settings, clock: SystemClock) -> None:
    """Run the loop until a signal, telling systemd that it is ready, alive and stopping."""
    notifier = sdnotify.SystemdNotifier()
    loop = Loop(
        core.schedules.port(),
        clock,
        settings.scheduler_interval,
        on_poll=_log_poll,
        on_settled=_log_settled,
        on_wake=_watchdog(notifier, clock),
    )

    def stop(number: int, _frame: Any) -> None:
        log.info("stopping signal=%s", signal.Signals(number).name)
        notifier.notify("STOPPING=1")
        loop.stop()
        clock.wake()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    notifier.notify("READY=1")
    log.info("started interval=%s", settings.scheduler_interval)
    loop.run()
    log.info("stopped")


def _watchdog(notifier: sdnotify.SystemdNotifier, clock: Clock) -> Callable[[], None]:
    """Return the beat: each waking of the loop is progress, told to systemd at most every few seconds."""
    last = [clock.monotonic() - WATCHDOG_SECONDS]

    def beat() -> None:
        now = clock.monotonic()
        if now - last[0] >= WATCHDOG_SECONDS:
            last[0] = now
            notifier.notify("WATCHDOG=1")

    return beat


def _log_settled(results: Sequence[Settled]) -> None:
    for settled in results:
        log.info("decided %s", describe(settled))


def _log_poll(done: Poll) -> None:
    if done.decided:
        log.info("polled decided=%d seconds=%.3f", done.decided, done.seconds)


# -- simulate -------------------------------------------------------------------------------------------------------


@app.command("simulate")
def simulate_command(
    context: typer.Context,
    start: Annotated[str | None, typer.Option("--from", help="First instant; now when not given.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last instant; a day later when not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show what the schedules in the database would fire, and how the runs would wait, over a coming span."""
    settings: Settings = context.obj if data_dir is None else Settings(data_dir=data_dir)
    clock = SystemClock()
    core = _build(settings, clock)
    try:
        begin = parse_time(start, field="from") if start else clock.now()
        until = parse_time(end, field="to") if end else begin + timedelta(days=1)
        result = simulate(schedules_of(core, stored=start is None), begin, until, interval=settings.scheduler_interval)
    except (RecurrenceError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        core.close()
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_table(result)


def schedules_of(core: Core, *, stored: bool = True) -> list[SimulatedSchedule]:
    """Return the enabled schedules of the database, each with the median time of its workflow's finished runs.

    With `stored` they begin at their stored next occurrence, otherwise at the first of the simulated span.
    """
    from manager_core.schedules.simulation import simulated_schedules

    with core.store.read() as session:
        return simulated_schedules(session, stored=stored)


def _print_table(result: Simulation) -> None:
    def cell(moment: datetime | None) -> str:
        return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"

    rows = [("OCCURRENCE", "SCHEDULE", "DEPLOYMENT", "START", "END", "OUTCOME", "REASON")]
    rows += [
        (cell(f.occurrence), f.schedule, f.deployment_id, cell(f.start), cell(f.end), f.outcome, f.reason)
        for f in result.firings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row[:6], widths, strict=True)) + "  " + row[6])
    typer.echo(f"{len(result.firings)} verdicts, at most {result.peak_running} running at a time, "
               f"longest wait {result.longest_wait:.0f} s")  # fmt: skip


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
