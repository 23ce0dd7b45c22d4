"""Execution schedules: create, change, delete, run now, history (scheduling contract §1, §5, §6).

After every change `next_occurrence` is recomputed from now, so an edit never fires anything by itself. Firing is not
here: the scheduler decides, through `schedules.port`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select
from sqlmodel import Session

from manager_core.access.caller import Caller
from manager_core.access.visibility import may_modify
from manager_core.deployments.tables import Deployment
from manager_core.errors import BadParameters, Conflict, ManagerError, NotFound
from manager_core.ids import new_id
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import ListQuery, fixed_page, get_one, list_page, parse_boolean, visible
from manager_core.rest.responses import timestamp
from manager_core.schedules.calendars import Calendars, calendars_in
from manager_core.schedules.defaults import default_fields, naming, parts_of
from manager_core.schedules.explain import explain
from manager_core.schedules.feeds import Feeds
from manager_core.schedules.listing import MAX_NEXT, schedule_listing
from manager_core.schedules.port import DatabasePort, make_firing
from manager_core.schedules.preview import checked_shown, preview
from manager_core.schedules.rules import (
    RuleParts,
    changed_occurrences,
    compile_rule,
    given,
    has_own_zone,
    instant,
    merge_parts,
)
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from manager_core.settings import host_timezone
from manager_core.states import Visibility
from scheduler.recurrence import Rule
from scheduler.verdict import Outcome

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

BLUEPRINT_ORIGIN = "blueprint"
OVERLAPS = ("skip", "queue", "parallel")
DRY_RUN_SPAN = timedelta(days=30)
_TABLE: Any = ExecutionSchedule
_RECORD: Any = ScheduleRecord


class Schedules:
    """The use cases of execution schedules.

    Attributes:
        calendars: the exclusion calendars.
        feeds: calendar feeds and imports.
    """

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core
        self.calendars = Calendars(core)
        self.feeds = Feeds(core)

    # -- reading --------------------------------------------------------------------------------------------------

    def page(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """Return a page of schedules; `_next` caps `all_next_occurrences` (0 to 1000)."""
        listing = schedule_listing(self._core.clock.now(), next_cap(query.first("_next")))
        with self._core.store.read() as session:
            return list_page(session, listing, query, caller)

    def get(
        self,
        caller: Caller,
        schedule_id: str,
        deployment_id: str,
        *,
        include: Sequence[str] | None = None,
        cap: int = MAX_NEXT,
    ) -> dict[str, Any]:
        """Return one schedule as its JSON object.

        Raises:
            NotFound: with the filters in the text, as clients know it.
        """
        with self._core.store.read() as session:
            return self._json(session, caller, schedule_id, deployment_id, include=include, cap=cap)

    def _json(
        self,
        session: Session,
        caller: Caller,
        schedule_id: str,
        deployment_id: str,
        *,
        include: Sequence[str] | None = None,
        cap: int = MAX_NEXT,
    ) -> dict[str, Any]:
        return get_one(
            session,
            schedule_listing(self._core.clock.now(), cap),
            caller,
            schedule_id,
            include=None if include is None else [*include],
            where=[_TABLE.deployment_id == deployment_id],
            filters={"deployment_id": deployment_id},
        )

    def row_in(self, session: Session, caller: Caller, schedule_id: str, deployment_id: str) -> ExecutionSchedule:
        """Return the row of a schedule that the caller may see.

        Raises:
            NotFound: no such schedule.
        """
        conditions = [
            _TABLE.id == schedule_id,
            _TABLE.deployment_id == deployment_id,
            *visible(schedule_listing(self._core.clock.now()), caller),
        ]
        row: ExecutionSchedule | None = session.execute(select(_TABLE).where(*conditions)).scalars().first()
        if row is None:
            raise NotFound.of("ExecutionSchedule", schedule_id, {"deployment_id": deployment_id})
        return row

    def _own_in(self, session: Session, caller: Caller, schedule_id: str, deployment_id: str) -> ExecutionSchedule:
        """Return the row of a schedule to change or run: those of global deployments are their own tenant's.

        Raises:
            NotFound: no such schedule.
        """
        row = self.row_in(session, caller, schedule_id, deployment_id)
        if not may_modify(caller, row):
            raise NotFound.of("ExecutionSchedule", schedule_id, {"deployment_id": deployment_id})
        return row

    def history(self, caller: Caller, schedule_id: str, deployment_id: str, query: ListQuery) -> dict[str, Any]:
        """Return the verdicts about a schedule, newest first (scheduling contract §5)."""
        with self._core.store.read() as session:
            row = self.row_in(session, caller, schedule_id, deployment_id)
            conditions = [_RECORD.schedule_storage_id == row.storage_id]
            outcomes = query.filters.get("outcome", [])
            unknown = sorted(set(outcomes) - set(Outcome))
            if unknown or set(query.filters) - {"outcome"}:
                raise BadParameters(
                    f"history can be filtered by `outcome` alone, one of {', '.join(Outcome)}; got {query.filters}"
                )
            if outcomes:
                conditions.append(_RECORD.outcome.in_(outcomes))
            total = session.execute(select(func.count()).select_from(ScheduleRecord).where(*conditions)).scalar_one()
            statement = select(ScheduleRecord).where(*conditions).order_by(_RECORD.storage_id.desc())
            statement = statement.offset(query.offset)
            if query.size is not None:
                statement = statement.limit(query.size)
            items = [record_json(record) for record in session.execute(statement).scalars()]
        page = fixed_page(items, size=query.page_size)
        page["metadata"]["pagination"] = {"total": total, "size": query.page_size, "offset": query.offset}
        return page

    def explain(self, caller: Caller, schedule_id: str, deployment_id: str, at: str | None = None) -> dict[str, Any]:
        """Tell why the occurrence at a time ran or did not (scheduling contract §6).

        Raises:
            BadParameters: `at` is no time.
            NotFound: no such schedule.
        """
        moment = None if at is None else instant(at, "at")
        with self._core.store.read() as session:
            row = self.row_in(session, caller, schedule_id, deployment_id)
            return explain(session, row, stored_parts(row), moment, self._core.clock.now())

    def preview(self, caller: Caller, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Tell which instants a rule would produce, in UTC and in its zone, with warnings; stores nothing (§6).

        Args:
            fields: the rule fields of a schedule, and `count_shown` (default 10, at most 1000).

        Raises:
            BadParameters: as at creation.
        """
        now = self._core.clock.now()
        shown = checked_shown(fields.get("count_shown"))
        since = fields.get("since")
        parts = RuleParts(
            since=now.replace(microsecond=0) if since is None else instant(since, "since"),
            until=instant(fields["until"], "until") if given(fields.get("until")) else None,
            recurrence=fields.get("recurrence") or None,
            weekdays=fields.get("weekdays") or None,
            count=fields.get("count") if given(fields.get("count")) else None,
            rrule=fields.get("rrule") or None,
            timezone=checked_zone(fields.get("timezone")),
        )
        names = checked_calendar_names(fields.get("exclude_calendars"))
        with self._core.store.read() as session:
            rule = compile_rule(parts, calendars_in(session, caller.tenant_name, names))
        return preview(rule, now, shown, self._core.settings.scheduler_interval)

    # -- creating -------------------------------------------------------------------------------------------------

    def create(
        self,
        caller: Caller,
        schedule_id: str,
        deployment_id: str,
        fields: Mapping[str, Any],
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Create a schedule, or tell what that would do.

        Args:
            fields: the members of the request's body that were given (scheduling contract §1).
            dry_run: change nothing; answer `{"schedule", "appear", "disappear", "fires_now"}` (§6).

        Raises:
            BadParameters: a field is wrong; the message names it.
            Conflict: the deployment has a schedule of this name.
        """
        with self._core.store.write() as session:
            row = self._create_in(session, caller, schedule_id, deployment_id, fields)
            return self._answer(session, caller, row, None, dry_run=dry_run)

    def create_all(self, caller: Caller, deployment_id: str, named: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Create several schedules of a deployment in one transaction: all or none.

        Raises:
            ManagerError: as `create`.
        """
        with self._core.store.write() as session:
            for schedule_id, fields in named:
                self._create_in(session, caller, schedule_id, deployment_id, fields)

    def _create_in(
        self, session: Session, caller: Caller, schedule_id: str, deployment_id: str, fields: Mapping[str, Any]
    ) -> ExecutionSchedule:
        check_id(schedule_id, "schedule_id")
        check_id(deployment_id, "deployment_id", any_first=True)
        for name in ("workflow_id", "since"):
            if name not in fields:
                raise BadParameters(f"Missing {name} in json request body")
        arguments = execution_arguments(fields.get("execution_arguments"))
        parameters = checked_parameters(fields.get("parameters"))
        now = self._core.clock.now()
        deployment = self._deployment(session, caller, deployment_id)
        workflow_id = checked_workflow(deployment, fields["workflow_id"])
        since = now.replace(microsecond=0) if fields["since"] is None else instant(fields["since"], "since")
        until = instant(fields["until"], "until") if given(fields.get("until")) else None
        parts = RuleParts(
            since=since,
            until=until,
            recurrence=fields.get("recurrence") or None,
            weekdays=fields.get("weekdays") or None,
            count=fields.get("count") if given(fields.get("count")) else None,
            rrule=fields.get("rrule") or None,
            timezone=checked_zone(fields.get("timezone")),
        )
        excluded = checked_calendar_names(fields.get("exclude_calendars"))
        row = ExecutionSchedule(
            id=schedule_id,
            deployment_id=deployment_id,
            tenant_name=deployment.tenant_name,
            visibility=deployment.visibility,
            created_by=self._owner(session, caller, fields),
            created_at=self._created_at(caller, fields, now),
            workflow_id=workflow_id,
            parameters=parameters,
            execution_arguments=arguments,
            slip=checked_slip(fields.get("slip", 0)),
            stop_on_fail=_boolean(fields, "stop_on_fail", False),
            enabled=_boolean(fields, "enabled", True),
            overlap=checked_overlap(fields.get("overlap") or "skip"),
            exclude_calendars=excluded or None,
        )
        self._set_rule(session, row, parts, now)
        if self._find(session, row) is not None:
            raise Conflict(
                f"Instance with ID {schedule_id} cannot be added on <Tenant name=`{row.tenant_name}`> "
                "or with global visibility"
            )
        session.add(row)
        session.flush()
        return row

    def one_shot_in(
        self,
        session: Session,
        caller: Caller,
        *,
        deployment_id: str,
        workflow_id: str,
        at: datetime,
        parameters: dict[str, Any] | None,
        arguments: dict[str, Any],
    ) -> ExecutionSchedule:
        """Create the single-run schedule behind `POST executions` with `scheduled_time` (REST contract §8.3)."""
        deployment = self._deployment(session, caller, deployment_id)
        now = self._core.clock.now()
        row = ExecutionSchedule(
            id=f"{checked_workflow(deployment, workflow_id)}_{new_id().replace('-', '')}",
            deployment_id=deployment_id,
            tenant_name=deployment.tenant_name,
            visibility=deployment.visibility,
            created_by=caller.username,
            created_at=now,
            workflow_id=workflow_id,
            parameters=parameters,
            execution_arguments=execution_arguments(arguments),
        )
        self._set_rule(session, row, RuleParts(since=at, count=1), now)
        session.add(row)
        session.flush()
        return row

    # -- changing -------------------------------------------------------------------------------------------------

    def update(
        self,
        caller: Caller,
        schedule_id: str,
        deployment_id: str,
        fields: Mapping[str, Any],
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Change the fields that were given; null, and an empty list, mean "not given" (scheduling contract §1).

        Raises:
            BadParameters: a field is wrong; nothing was changed.
            NotFound: no such schedule.
        """
        now = self._core.clock.now()
        with self._core.store.write() as session:
            row = self._own_in(session, caller, schedule_id, deployment_id)
            before = _firing_rule(row)
            if given(fields.get("workflow_id")):
                row.workflow_id = checked_workflow(
                    self._deployment(session, caller, deployment_id), fields["workflow_id"]
                )
            if fields.get("execution_arguments") is not None:
                row.execution_arguments = execution_arguments(fields["execution_arguments"])
            if fields.get("parameters") is not None:
                row.parameters = checked_parameters(fields["parameters"])
            if fields.get("slip") is not None:
                row.slip = checked_slip(fields["slip"])
            if fields.get("stop_on_fail") is not None:
                row.stop_on_fail = _boolean(fields, "stop_on_fail", False)
            if fields.get("overlap") is not None:
                row.overlap = checked_overlap(fields["overlap"])
            if fields.get("enabled") is not None:
                self._switch(row, caller, enabled=_boolean(fields, "enabled", True), now=now)
            if fields.get("timezone") is not None:
                checked_zone(fields["timezone"])
            if fields.get("exclude_calendars") is not None:
                row.exclude_calendars = checked_calendar_names(fields["exclude_calendars"]) or None
            parts, touched = merge_parts(stored_parts(row), fields)
            if touched or fields.get("exclude_calendars") is not None:
                self._set_rule(session, row, parts, now)
            else:
                row.next_occurrence = Rule.load(row.compiled).after(now)
            row.updated_at = now
            session.add(row)
            session.flush()
            return self._answer(session, caller, row, before, dry_run=dry_run)

    @staticmethod
    def _switch(row: ExecutionSchedule, caller: Caller, *, enabled: bool, now: datetime) -> None:
        """Enable or disable; enabling forgets the failure that stopped it (scheduling contract §1)."""
        if enabled and not row.enabled:
            row.rearmed_at = now
            row.disabled_at = row.disabled_by = row.disabled_reason = None
        elif not enabled and row.enabled:
            row.disabled_at, row.disabled_by, row.disabled_reason = now, caller.username, "disabled by a user"
        row.enabled = enabled

    def delete(self, caller: Caller, schedule_id: str, deployment_id: str) -> None:
        """Delete a schedule and its history; executions it started are not touched.

        Raises:
            NotFound: no such schedule.
        """
        with self._core.store.write() as session:
            session.delete(self._own_in(session, caller, schedule_id, deployment_id))

    def run_now(self, caller: Caller, schedule_id: str, deployment_id: str, note: str | None = None) -> dict[str, Any]:
        """Start the schedule's workflow at once, beside its rule; history gets a `manual` record (§6).

        Raises:
            ManagerError: why the execution could not be created; nothing was stored then.
        """
        now = self._core.clock.now()
        with self._core.store.write() as session:
            row = self._own_in(session, caller, schedule_id, deployment_id)
            firing = make_firing(
                tenant_name=row.tenant_name,
                deployment_id=row.deployment_id,
                schedule_id=row.id,
                row=row,
                occurrence=now,
                parallel=row.overlap == "parallel",
            )
            (result,) = self._core.executions.fire_in(session, [firing])
            if result.error is not None:
                raise result.error
            session.add(
                ScheduleRecord(
                    schedule_storage_id=row.storage_id or 0,
                    occurrence=now,
                    decided_at=now,
                    outcome=Outcome.FIRED.value,
                    execution_id=result.execution_id,
                    reason=f"started by {caller.username}" + (f": {note}" if note else ""),
                    manual=True,
                )
            )
            row.latest_execution_id = result.execution_id
            session.add(row)
            execution_id = result.execution_id or ""
        self._core.executions.wake()
        return self._core.executions.get(caller, execution_id)

    # -- default schedules of a blueprint -------------------------------------------------------------------------

    def apply_defaults_in(
        self,
        session: Session,
        caller: Caller,
        deployment: Deployment,
        default_schedules: Mapping[str, Any] | None,
        now: datetime,
        *,
        updating: bool = False,
    ) -> dict[str, list[Any]]:
        """Make a deployment's default schedules, or bring them in line with a new plan (scheduling contract §4).

        Args:
            default_schedules: the plan's, with all functions evaluated; None and {} mean none.
            now: relative times count from here.
            updating: the deployment has schedules already: change those of the old plan, delete those that are gone.

        Returns:
            `{"created": [ids], "updated": [ids], "deleted": [ids]}`.

        Raises:
            BadParameters: naming the schedule; nothing of the caller's transaction should be kept then.
        """
        existing = {row.id: row for row in self._of_deployment(session, deployment)}
        wanted = dict(default_schedules or {})
        done: dict[str, list[Any]] = {"created": [], "updated": [], "deleted": []}
        taken = sorted(name for name in wanted if name in existing and existing[name].origin != BLUEPRINT_ORIGIN)
        if taken:
            raise BadParameters(
                f"The blueprint's default schedule {', '.join(taken)} has the name of a schedule that a user made on "
                f"deployment {deployment.id}; rename or delete that one first"
            )
        if updating:
            for name, row in existing.items():
                if row.origin == BLUEPRINT_ORIGIN and name not in wanted:
                    session.delete(row)
                    done["deleted"].append(name)
        zone = self._core.settings.timezone or host_timezone()
        for name, entry in wanted.items():
            try:
                fields = default_fields(name, entry, now, zone)
                row = existing.get(name) or self._new_default(caller, deployment, name, now)
                self._fill_default(session, row, deployment, fields, now)
            except ManagerError as error:
                if error.message.startswith("Default schedule"):
                    raise
                raise naming(name, error) from None
            done["updated" if name in existing else "created"].append(name)
            session.add(row)
        session.flush()
        return done

    def _new_default(self, caller: Caller, deployment: Deployment, name: str, now: datetime) -> ExecutionSchedule:
        return ExecutionSchedule(
            id=check_id(name, "schedule_id"),
            deployment_id=deployment.id,
            tenant_name=deployment.tenant_name,
            visibility=deployment.visibility,
            created_by=caller.username,
            created_at=now,
            workflow_id="",
            origin=BLUEPRINT_ORIGIN,
        )

    def _fill_default(
        self, session: Session, row: ExecutionSchedule, deployment: Deployment, fields: Mapping[str, Any], now: datetime
    ) -> None:
        row.workflow_id = checked_workflow(deployment, fields["workflow_id"])
        row.parameters = checked_parameters(fields["parameters"])
        row.execution_arguments = execution_arguments(fields["execution_arguments"])
        row.slip = checked_slip(fields["slip"])
        row.stop_on_fail = fields["stop_on_fail"]
        row.overlap = checked_overlap(fields["overlap"])
        row.enabled = fields["enabled"]
        row.updated_at = now
        self._set_rule(session, row, parts_of(fields), now)

    @staticmethod
    def _of_deployment(session: Session, deployment: Deployment) -> Sequence[ExecutionSchedule]:
        statement = select(_TABLE).where(
            _TABLE.tenant_name == deployment.tenant_name, _TABLE.deployment_id == deployment.id
        )
        rows: Sequence[ExecutionSchedule] = session.execute(statement).scalars().all()
        return rows

    # -- what the other parts call --------------------------------------------------------------------------------

    def port(self, instance: str | None = None) -> DatabasePort:
        """Return the scheduler's port over this Core's database; `instance` names the scheduler in heartbeats."""
        return DatabasePort(self._core, instance or f"{socket.gethostname()}:{os.getpid()}")

    def prune_history(self) -> int:
        """Delete history rows beyond the newest `settings.history_rows` of each schedule; return how many."""
        keep = self._core.settings.history_rows
        removed = 0
        with self._core.store.read() as session:
            crowded = session.execute(
                select(_RECORD.schedule_storage_id).group_by(_RECORD.schedule_storage_id).having(func.count() > keep)
            ).scalars()
            keys = list(crowded)
        for key in keys:
            with self._core.store.write() as session:
                oldest_kept = session.execute(
                    select(_RECORD.storage_id)
                    .where(_RECORD.schedule_storage_id == key)
                    .order_by(_RECORD.storage_id.desc())
                    .offset(keep - 1)
                    .limit(1)
                ).scalar_one_or_none()
                if oldest_kept is None:
                    continue
                result: Any = session.execute(
                    delete(ScheduleRecord).where(_RECORD.schedule_storage_id == key, _RECORD.storage_id < oldest_kept)
                )
                removed += result.rowcount
        return removed

    def recompile_in(self, session: Session, row: ExecutionSchedule) -> None:
        """Make a schedule's rule anew after one of its exclusion calendars changed.

        Raises:
            BadParameters: the rule would have no occurrence left at all.
        """
        now = self._core.clock.now()
        self._set_rule(session, row, stored_parts(row), now)
        row.updated_at = now
        session.add(row)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _set_rule(self, session: Session, row: ExecutionSchedule, parts: RuleParts, now: datetime) -> None:
        excluded = calendars_in(session, row.tenant_name, row.exclude_calendars or [])
        rule = compile_rule(parts, excluded)
        row.since, row.until = parts.since, parts.until
        row.rule, row.timezone, row.compiled = rule.rule, rule.timezone, rule.dump()
        row.next_occurrence = rule.after(now)

    def _answer(
        self, session: Session, caller: Caller, row: ExecutionSchedule, before: Rule | None, *, dry_run: bool
    ) -> dict[str, Any]:
        answer = self._json(session, caller, row.id, row.deployment_id)
        if not dry_run:
            return answer
        now = self._core.clock.now()
        appear, disappear = changed_occurrences(before, _firing_rule(row), now, now + DRY_RUN_SPAN)
        session.rollback()
        return {
            "schedule": answer,
            "appear": [timestamp(moment) for moment in appear],
            "disappear": [timestamp(moment) for moment in disappear],
            "fires_now": False,
        }

    @staticmethod
    def _find(session: Session, row: ExecutionSchedule) -> int | None:
        return session.execute(
            select(_TABLE.storage_id).where(
                _TABLE.tenant_name == row.tenant_name,
                _TABLE.deployment_id == row.deployment_id,
                _TABLE.id == row.id,
            )
        ).scalar_one_or_none()

    def _deployment(self, session: Session, caller: Caller, deployment_id: str) -> Deployment:
        table: Any = Deployment
        conditions = [table.id == deployment_id, table.tenant_name == caller.tenant_name]
        if not caller.is_tenant_admin:
            conditions.append((table.visibility != Visibility.PRIVATE.value) | (table.created_by == caller.username))
        deployment: Deployment | None = session.execute(select(table).where(*conditions)).scalars().first()
        if deployment is None:
            raise NotFound.of("Deployment", deployment_id)
        return deployment

    def _owner(self, session: Session, caller: Caller, fields: Mapping[str, Any]) -> str:
        owner = fields.get("created_by")
        if not owner:
            return caller.username
        caller.require("set_owner")
        return self._core.access.caller_for(session, str(owner), caller.tenant_name).username

    @staticmethod
    def _created_at(caller: Caller, fields: Mapping[str, Any], now: datetime) -> datetime:
        if not fields.get("created_at"):
            return now
        caller.require("set_timestamp")
        return instant(fields["created_at"], "created_at")


# -- checks of single fields, and small conversions ---------------------------------------------------------------


def next_cap(text: str | None) -> int:
    """Read the `_next` parameter: how many coming occurrences to show, 0 to 1000.

    Raises:
        BadParameters: it is something else.
    """
    if text is None:
        return MAX_NEXT
    if not text.isdecimal() or int(text) > MAX_NEXT:
        raise BadParameters(f"_next must be an integer from 0 to {MAX_NEXT}, got {text}")
    return int(text)


def execution_arguments(value: Any) -> dict[str, Any]:
    """Return the stored form of `execution_arguments` (scheduling contract §1); unknown keys are left out.

    Raises:
        BadParameters: not a map, or a value of the wrong type.
    """
    if value is None or value == {}:
        return {}
    if not isinstance(value, dict):
        raise BadParameters(f"execution_arguments: expected a dict, but got: {value}")
    dry = value["dry_run"] if value.get("dry_run") is not None else value.get("is_dry_run")
    wait = value.get("wait_after_fail")
    if wait is None:
        wait = 600
    if isinstance(wait, bool) or not isinstance(wait, int) or not 0 <= wait < 2**31:
        raise BadParameters(f"wait_after_fail: expected a number of seconds, but got: {wait}")
    return {
        "allow_custom_parameters": _boolean(value, "allow_custom_parameters", False),
        "force": _boolean(value, "force", False),
        "is_dry_run": parse_boolean("dry_run", dry) if dry is not None else False,
        "wait_after_fail": wait,
    }


def checked_parameters(value: Any) -> dict[str, Any] | None:
    """Return the workflow parameters.

    Raises:
        BadParameters: not a map.
    """
    if value is not None and not isinstance(value, dict):
        raise BadParameters(f"parameters: expected a dict, but got: {value}")
    return value


def checked_workflow(deployment: Deployment, workflow_id: Any) -> str:
    """Return the workflow's name when the deployment has it.

    Raises:
        BadParameters: it has not (`nonexistent_workflow_error`).
    """
    if not isinstance(workflow_id, str) or workflow_id not in (deployment.workflows or {}):
        raise BadParameters(
            f"Workflow {workflow_id} does not exist in deployment {deployment.id}", code="nonexistent_workflow_error"
        )
    return workflow_id


def checked_slip(value: Any) -> int:
    """Return the slip in minutes.

    Raises:
        BadParameters: not an integer from 0 on.
    """
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadParameters(f"slip: invalid parameter, should be int, got: {value}")
    if not 0 <= value < 2**31:
        raise BadParameters(f"slip: must be a number of minutes from 0 on, got: {value}")
    return value


def checked_overlap(value: Any) -> str:
    """Return the overlap rule.

    Raises:
        BadParameters: not one of the three.
    """
    if value not in OVERLAPS:
        raise BadParameters(f"overlap must be one of {', '.join(OVERLAPS)}, got {value}")
    return str(value)


def checked_zone(value: Any) -> str | None:
    """Return the zone's name, None when none was given.

    Raises:
        BadParameters: not a text; whether the zone exists is checked with the rule.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadParameters(f"timezone: expected an IANA name, but got: {value}")
    return value


def checked_calendar_names(value: Any) -> list[str]:
    """Return the names of exclusion calendars.

    Raises:
        BadParameters: not a list of names.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise BadParameters(f"exclude_calendars: expected a list of names, but got: {value}")
    return list(dict.fromkeys(value))


def _boolean(fields: Mapping[str, Any], name: str, default: bool) -> bool:
    value = fields.get(name)
    return default if value is None else parse_boolean(name, value)


def stored_parts(row: ExecutionSchedule) -> RuleParts:
    """Return what a stored schedule's rule was made of."""
    assert row.since is not None
    rule = row.rule or {}
    if "rrule" in rule:
        return RuleParts(
            since=row.since,
            until=row.until,
            rrule=rule["rrule"],
            timezone=None if has_own_zone(rule["rrule"]) else row.timezone,
        )
    return RuleParts(
        since=row.since,
        until=row.until,
        recurrence=rule.get("recurrence"),
        weekdays=rule.get("weekdays"),
        count=rule.get("count"),
        timezone=row.timezone,
    )


def _firing_rule(row: ExecutionSchedule) -> Rule | None:
    return Rule.load(row.compiled) if row.enabled and row.compiled else None


def record_json(record: ScheduleRecord) -> dict[str, Any]:
    """Return one history row as the contract shows it."""
    return {
        "occurrence": timestamp(record.occurrence),
        "decided_at": timestamp(record.decided_at),
        "outcome": record.outcome,
        "execution_id": record.execution_id,
        "reason": record.reason,
        "missed_count": record.missed_count,
        "missed_since": timestamp(record.missed_since),
        "manual": record.manual,
    }
