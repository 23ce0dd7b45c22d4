"""Default schedules: what goes beyond the predecessor, and the conversion of times (scheduling.md §4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from manager_core.dsl.errors import DslErrors
from manager_core.dsl.parser import parse
from manager_core.dsl.resolver import FolderResolver, Found


def schedule(body: dict[str, Any], *, now: datetime | None = None, timezone: str = "UTC") -> dict[str, Any]:
    settings = {"default_schedules": {"s": {"workflow": "w", **body}}}
    text = f"tosca_definitions_version: cloudify_dsl_1_4\ndeployment_settings: {json.dumps(settings)}\n"
    moment = now or datetime(2026, 3, 4, 22, 30, tzinfo=UTC)
    plan = parse(Found("m", text, "m"), FolderResolver(Path("/nonexistent")), now=moment, timezone=timezone)
    return plan["deployment_settings"]["default_schedules"]["s"]


def refused(body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(DslErrors) as caught:
        schedule(body)
    return [(str(problem.kind), problem.message) for problem in caught.value.problems]


def test_the_zone_stays_in_the_plan() -> None:
    """The schedule's own, else the default one, else UTC when all times are relative."""
    assert schedule({"since": "2026-01-01 12:00", "timezone": "Asia/Jerusalem"})["timezone"] == "Asia/Jerusalem"
    assert schedule({"since": "2026-01-01 12:00"}, timezone="Europe/Berlin")["timezone"] == "Europe/Berlin"
    assert schedule({"since": "+1d"}, timezone="Europe/Berlin")["timezone"] == "UTC"
    assert schedule({"since": "+1d", "timezone": "Asia/Tokyo"})["timezone"] == "Asia/Tokyo"


def test_a_time_of_day_means_the_day_of_the_upload_in_the_zone() -> None:
    """22:30 UTC is already tomorrow in Jerusalem."""
    assert schedule({"since": "01:15", "timezone": "Asia/Jerusalem"})["since"] == "2026-03-04 23:15:00"
    assert schedule({"since": "1:5"})["since"] == "2026-03-04 01:05:00"


def test_absolute_times_use_the_offset_of_their_own_date() -> None:
    """Summer and winter in one zone, given or default."""
    winter, summer = {"since": "2026-01-15 12:00"}, {"since": "2026-07-15 12:00"}
    assert schedule(winter, timezone="Europe/Berlin")["since"] == "2026-01-15 11:00:00"
    assert schedule(summer, timezone="Europe/Berlin")["since"] == "2026-07-15 10:00:00"


def test_a_time_that_exists_twice_is_standard_time() -> None:
    """Also one that does not exist at all."""
    berlin = {"timezone": "Europe/Berlin"}
    assert schedule({"since": "2025-10-26 02:30", **berlin})["since"] == "2025-10-26 01:30:00"
    assert schedule({"since": "2025-03-30 02:30", **berlin})["since"] == "2025-03-30 01:30:00"


def test_keys_beyond_the_predecessor_are_kept() -> None:
    """An iCalendar rule, overlap, stop_on_fail and dry_run."""
    body = {
        "since": "+1d",
        "rrule": "FREQ=DAILY;COUNT=3",
        "overlap": "queue",
        "stop_on_fail": True,
        "execution_arguments": {"dry_run": True},
    }
    assert schedule(body) == {"workflow": "w", **body, "timezone": "UTC"}


def test_spaces_between_relative_terms_are_accepted() -> None:
    """As the public documentation writes them."""
    assert schedule({"since": "+1 year +3 months", "until": "+2y + 1 day"})["since"] == "+1 year +3 months"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ({"since": "+1d", "rrule": "FREQ=NEVER"}, "DSL", "'s'"),
        ({"since": "+1d", "rrule": "FREQ=DAILY", "recurrence": "1 day"}, "DSL", "`recurrence`"),
        ({"since": "+1d", "overlap": "never"}, "DSL", "never"),
        ({"since": "+1d", "stop_on_fail": True, "stop_after_fail": False}, "DSL", "stop_after_fail"),
        ({"since": "+1d", "execution_arguments": {"dry_run": True, "is_dry_run": False}}, "DSL", "is_dry_run"),
        ({"since": "+1d", "timezone": "Mars/Olympus"}, "NRE", "Mars/Olympus is not a recognized timezone"),
        ({"since": "+1d", "timezone": "../../etc/passwd"}, "NRE", "not a recognized timezone"),
        ({"since": "+1d", "recurrence": "1 second"}, "NRE", "1 second is not a legal time delta"),
        ({"since": "+1d", "weekdays": ["5mo"]}, "DSL", "5mo is not a valid weekday value"),
        ({"since": "tomorrow"}, "NRE", "tomorrow is not a legal time format"),
        ({"since": "+"}, "NRE", "is not a legal time delta"),
        ({"since": "2026-02-30 10:00"}, "NRE", "is not a legal time format"),
        ({"since": "0001-01-01 00:00", "timezone": "Asia/Tokyo"}, "NRE", "is not a legal time format"),
    ],
)
def test_a_wrong_schedule_is_refused_at_upload(body: dict[str, Any], kind: str, text: str) -> None:
    """Naming the schedule or the value."""
    assert any(found == kind and text in message for found, message in refused(body))
