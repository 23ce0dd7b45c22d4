"""Every `cfy deployments schedule` command (REST contract §22.1)."""

from __future__ import annotations

import pytest

from tests.support.life import deploy_life, needs_cfy
from tests.support.warm_cfy import WarmCfy

pytestmark = needs_cfy

SCHEDULE = ("deployments", "schedule")


@pytest.fixture(scope="module")
def life(cfy: WarmCfy) -> str:
    return deploy_life(cfy)


def test_schedules_are_made_in_every_form_shown_and_summed(cfy: WarmCfy, life: str) -> None:
    create = (*SCHEDULE, "create", life, "execute_operation", "-p", "operation=greeting.greet")
    since = ("-s", "2030-01-01 18:00", "--tz", "UTC")
    said = cfy(*create, "-n", "words", *since, "-r", "1 day", "--weekdays", "mo,we", "-c", "9", "--slip", "5")
    assert "created" in said.lower()
    cfy(*create, "-n", "rule", *since, "-u", "2031-01-01 00:00", "--rrule", "FREQ=WEEKLY;BYDAY=FR", "--stop-on-fail")
    arguments = ("--allow-custom-parameters", "-f", "--dry-run", "--wait-after-fail", "9")
    cfy(*create, "-s", "+4 hours", "-c", "1", *arguments)  # without a name: that of the workflow
    assert "not a legal recurrence" in cfy(*create, "-n", "bad", *since, "-r", "sometimes", ok=False)
    assert "cannot be added" in cfy(*create, "-n", "words", *since, "-c", "1", ok=False)
    assert "2030-01-02 18:00:00" in cfy(*SCHEDULE, "get", life, "words", "--preview", "3")
    said = cfy(*SCHEDULE, "get", life, "execute_operation")
    assert "wait_after_fail" in said and "9" in said
    assert "not found" in cfy(*SCHEDULE, "get", life, "nothing", ok=False)
    assert "Showing 4 of 4" in cfy(*SCHEDULE, "list", life)
    rows = {row["id"]: row for row in cfy.json(*SCHEDULE, "list", life)}
    assert set(rows) == {"every-day", "words", "rule", "execute_operation"}
    assert rows["words"]["next_occurrence"] == "2030-01-02T18:00:00.000Z"
    assert rows["rule"]["stop_on_fail"] is True
    said = cfy(*SCHEDULE, "list", life, "--since", "2030-01-01 00:00", "--until", "2030-01-03 00:00", "--tz", "UTC")
    assert "words" in said and "rule" not in said
    assert "recurring" in cfy(*SCHEDULE, "summary", "deployment_id")
    rows = cfy.json(*SCHEDULE, "summary", "workflow_id")
    assert {"workflow_id": "execute_operation", "recurrence": "single", "execution_schedules": 1} in rows


def test_a_schedule_is_disabled_enabled_changed_and_deleted(cfy: WarmCfy, life: str) -> None:
    create = (*SCHEDULE, "create", life, "execute_operation", "-n", "mine")
    cfy(*create, "-s", "2030-01-01 18:00", "--tz", "UTC", "-r", "1 day")
    assert "disabled successfully" in cfy(*SCHEDULE, "disable", life, "mine")
    assert "already disabled" in cfy(*SCHEDULE, "disable", life, "mine", ok=False)
    assert cfy.json(*SCHEDULE, "list", life, "--search", "mine")[0]["enabled"] is False
    assert "enabled successfully" in cfy(*SCHEDULE, "enable", life, "mine")
    cfy(*SCHEDULE, "update", life, "mine", "-r", "2 weeks", "--slip", "7", "-u", "2030-03-01 00:00", "--tz", "UTC")
    said = cfy(*SCHEDULE, "get", life, "mine", "--preview", "2")
    assert "2 weeks" in said and "2030-01-15 18:00:00" in said
    assert "not a legal recurrence" in cfy(*SCHEDULE, "update", life, "mine", "-r", "sometimes", ok=False)
    assert "deleted successfully" in cfy(*SCHEDULE, "delete", life, "mine")
    assert "not found" in cfy(*SCHEDULE, "delete", life, "mine", ok=False)
