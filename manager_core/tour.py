"""The story `make run` tells: upload the example, deploy and install it, watch its schedule fire, say where to look."""

from __future__ import annotations

import logging
import tarfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from manager_core.access.caller import Caller, system_caller
from manager_core.blueprints.service import UploadRequest
from manager_core.blueprints.tables import Blueprint
from manager_core.deployments.tables import Deployment
from manager_core.errors import ManagerError
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from manager_core.states import END, ExecutionStatus

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

log = logging.getLogger("manager.tour")

EXAMPLE = "nightly-backup"
SCHEDULE = "every-minute"
EXAMPLES = Path(__file__).parent.parent / "blueprints" / "examples"
_STEP_SECONDS = 120.0
_FOLLOWED_FIRINGS = 3


def tell(core: Core) -> None:
    """Tell the whole story; a problem is told in words and ends the story, never the service."""
    try:
        _tell(core, system_caller("default_tenant"))
    except ManagerError as error:
        print(f"The example could not be set up: {error.message}", flush=True)
    except Exception:
        log.exception("tour_failed")
        print("The example could not be set up; the service itself goes on. See the log above.", flush=True)


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(core: Core, caller: Caller) -> None:
    if _row(core, Deployment, EXAMPLE) is None:
        _set_up(core, caller)
    else:
        _say(f"The deployment {EXAMPLE} is there already, with its schedules and their history.")
    _say_what_comes(core)
    _where_to_look(core)
    _follow(core)


def _set_up(core: Core, caller: Caller) -> None:
    if _row(core, Blueprint, EXAMPLE) is None:
        _say(f"Uploading the blueprint {EXAMPLE}: a consistent, verified, rotated backup of a SQLite database ...")
        core.blueprints.upload(caller, EXAMPLE, UploadRequest(), _archive(core, EXAMPLES / EXAMPLE))
    _say(f"Creating the deployment {EXAMPLE}: three nodes (database, folder, nightly) and its default schedules ...")
    core.deployments.create(caller, EXAMPLE, blueprint_id=EXAMPLE)
    _say("Installing it: the sample database and the folder for the backups are made ...")
    execution = core.executions.start(caller, deployment_id=EXAMPLE, workflow_id="install")
    ended = core.executions.wait_until_end(execution["id"], _STEP_SECONDS)
    if ended is None or ended.status != ExecutionStatus.TERMINATED:
        raise ManagerError(f"the install did not end well: {ended.error if ended else 'it still runs'}")
    _say("Installed.")


def _archive(core: Core, folder: Path) -> Path:
    """Pack an example as `cfy blueprints upload` does: a tar.gz with one top directory."""
    path = core.files.temporary()
    with tarfile.open(path, mode="w:gz") as archive:
        archive.add(folder, arcname=folder.name, filter=_without_caches)
    return path


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def _row(core: Core, table: Any, identifier: str) -> Any:
    with core.store.read() as session:
        statement = select(table).where(table.id == identifier, table.tenant_name == "default_tenant")
        return session.execute(statement).scalars().first()


def _schedules(core: Core) -> list[ExecutionSchedule]:
    table: Any = ExecutionSchedule
    with core.store.read() as session:
        statement = select(table).where(table.deployment_id == EXAMPLE, table.tenant_name == "default_tenant")
        return list(session.execute(statement.order_by(table.next_occurrence)).scalars())


def _local(moment: datetime | None) -> str:
    return "never again" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _say_what_comes(core: Core) -> None:
    for schedule in _schedules(core):
        rule = schedule.rule or {}
        words = f"every {rule['recurrence']}" if rule.get("recurrence") else str(rule.get("rrule") or "once")
        state = "" if schedule.enabled else " (disabled)"
        _say(f"Schedule {schedule.id}: {words}, next at {_local(schedule.next_occurrence)}{state}")


def _where_to_look(core: Core) -> None:
    base = core.settings.base_url
    _say(
        f"Where to look: {base}/console (web), {base}/docs (REST API), {base}/health; user admin, the password is in "
        f"{core.settings.data_dir / 'admin-password'}.\n"
        f"From the command line: cfy profiles use {core.settings.host} --rest-port {core.settings.port} -u admin "
        f"-p PASSWORD -t default_tenant; cfy deployments schedule list {EXAMPLE}\n"
        f"To quiet the example: cfy deployments schedule disable {EXAMPLE} {SCHEDULE}\nCtrl-C stops."
    )


def _follow(core: Core) -> None:
    """Tell the next few firings as they happen."""
    told = _newest_record(core)
    for _ in range(_FOLLOWED_FIRINGS):
        schedule = next((row for row in _schedules(core) if row.id == SCHEDULE and row.enabled), None)
        if schedule is None or schedule.next_occurrence is None:
            return
        deadline = schedule.next_occurrence + timedelta(seconds=2 * core.settings.scheduler_interval)
        record = None
        while record is None and core.clock.now() < deadline:
            core.clock.wait(0.5)
            record = _newer_record(core, told)
        if record is None:
            return
        told = record.storage_id or told
        _tell_record(core, record)
    _say(f"It goes on so every minute. The whole history: GET /api/v3.1/execution-schedules/{SCHEDULE}/history"
         f"?deployment_id={EXAMPLE}")  # fmt: skip


def _tell_record(core: Core, record: ScheduleRecord) -> None:
    if record.execution_id is None:
        _say(f"{_local(record.decided_at)}: {SCHEDULE} did not run ({record.outcome}): {record.reason}")
        return
    _say(f"{_local(record.decided_at)}: {SCHEDULE} fired, execution {record.execution_id}")
    execution = core.executions.wait_until_end(record.execution_id, _STEP_SECONDS)
    if execution is None or execution.status not in END:
        _say("  it still runs")
    elif execution.status == ExecutionStatus.TERMINATED:
        latest = core.deployments.outputs(system_caller("default_tenant"), EXAMPLE)["outputs"].get("latest_backup")
        _say(f"  done: {latest['path']} ({latest['bytes']} bytes, verified)" if latest else "  done")
    else:
        _say(f"  {execution.status}: {execution.error}")


def _newest_record(core: Core) -> int:
    record = _newer_record(core, 0)
    return record.storage_id or 0 if record else 0


def _newer_record(core: Core, than: int) -> ScheduleRecord | None:
    table: Any = ScheduleRecord
    schedule: Any = ExecutionSchedule
    with core.store.read() as session:
        statement = (
            select(table)
            .join(schedule, schedule.storage_id == table.schedule_storage_id)
            .where(schedule.id == SCHEDULE, schedule.deployment_id == EXAMPLE, table.storage_id > than)
            .order_by(table.storage_id.desc())
            .limit(1)
        )
        found: ScheduleRecord | None = session.execute(statement).scalars().first()
        return found
