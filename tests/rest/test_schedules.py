"""Execution schedules over REST, on both databases (scheduling contract §1, §6; REST contract §10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.schedules.tables import ExecutionSchedule, ScheduleRecord
from tests.support.rows import a_deployment, an_execution

DAILY = {"workflow_id": "backup", "since": "2026-01-01 18:00", "recurrence": "1 day"}


@pytest.fixture
def schedules(core: Core, client: TestClient) -> Iterator[TestClient]:
    """A client of a manager that has the deployment `dep`."""
    a_deployment(core)
    yield client


def put(client: TestClient, name: str = "s", deployment: str = "dep", **fields: Any) -> Any:
    return client.put(f"/execution-schedules/{name}?deployment_id={deployment}", json={**DAILY, **fields})


def patch(client: TestClient, name: str = "s", **fields: Any) -> Any:
    return client.patch(f"/execution-schedules/{name}?deployment_id=dep", json=fields)


def get(client: TestClient, name: str = "s", **params: Any) -> Any:
    return client.get(f"/execution-schedules/{name}", params={"deployment_id": "dep", **params})


def test_a_created_schedule_reads_back_with_its_rule_and_coming_occurrences(schedules: TestClient, core: Core) -> None:
    created = put(schedules, slip=30, execution_arguments={"force": True})
    assert created.status_code == 201
    body = created.json()
    assert body == get(schedules).json()
    assert body["rule"] == {"recurrence": "1 day", "count": None, "weekdays": None}
    assert body["execution_arguments"] == {
        "allow_custom_parameters": False, "force": True, "is_dry_run": False, "wait_after_fail": 600,
    }  # fmt: skip
    assert body["since"] == "2026-01-01T18:00:00.000Z"
    assert len(body["all_next_occurrences"]) == 1000
    assert body["next_occurrence"][:19].replace("T", " ") == body["all_next_occurrences"][0]
    assert body["enabled"] is True
    assert body["latest_execution_status"] is None
    assert body["private_resource"] is False
    assert body["resource_availability"] == body["visibility"] == "tenant"


def test_next_caps_the_coming_occurrences_of_a_list(schedules: TestClient) -> None:
    put(schedules)
    listed = schedules.get("/execution-schedules", params={"_next": "3"}).json()
    assert len(listed["items"][0]["all_next_occurrences"]) == 3
    assert schedules.get("/execution-schedules", params={"_next": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"recurrence": "1.5 hours"}, "is not a legal recurrence expression"),
        ({"recurrence": "0 min"}, "is not a legal recurrence expression"),
        ({"recurrence": None}, "recurrence must be specified for execution count larger than 1"),
        ({"recurrence": None, "count": 2}, "recurrence must be specified"),
        ({"weekdays": ["MOON"]}, "invalid weekday `MOON`"),
        ({"weekdays": ["2MO"]}, "complex weekday expression 2MO"),
        ({"weekdays": "MO"}, "weekdays: expected a list"),
        ({"rrule": "FREQ=DAILY"}, "`rrule` cannot be provided together"),
        ({"recurrence": None, "rrule": "FREQ=SOMETIMES"}, "invalid RRULE string provided"),
        ({"since": "tomorrow"}, "tomorrow is not a legal time format"),
        ({"until": "soon"}, "soon is not a legal time format"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"slip": -1}, "slip"),
        ({"slip": "many"}, "slip"),
        ({"stop_on_fail": "maybe"}, "stop_on_fail must be <true/false>, got maybe"),
        ({"overlap": "sometimes"}, "overlap must be one of"),
        ({"parameters": [1]}, "parameters: expected a dict, but got: [1]"),
        ({"execution_arguments": "force"}, "execution_arguments: expected a dict, but got: force"),
        ({"exclude_calendars": ["none"]}, "there is no calendar none"),
        ({"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "recurrence": None}, "the rule produces no occurrence"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_nothing_is_stored(
    schedules: TestClient, fields: dict[str, Any], fragment: str
) -> None:
    refused = put(schedules, **fields)
    assert refused.status_code == 400
    assert refused.json()["error_code"] == "bad_parameters_error"
    assert fragment in refused.json()["message"]
    assert get(schedules).status_code == 404


def test_missing_keys_unknown_things_and_taken_names_have_their_statuses(schedules: TestClient) -> None:
    url = "/execution-schedules/s"
    assert schedules.put(url, json=DAILY).json()["message"].startswith("Missing required parameter: deployment_id")
    missing = schedules.put(f"{url}?deployment_id=dep", json={"since": None})
    assert (missing.status_code, missing.json()["message"]) == (400, "Missing workflow_id in json request body")
    missing = schedules.put(f"{url}?deployment_id=dep", json={"workflow_id": "backup"})
    assert missing.json()["message"] == "Missing since in json request body"
    unknown = put(schedules, workflow_id="nothing")
    assert unknown.json()["error_code"] == "nonexistent_workflow_error"
    assert unknown.json()["message"] == "Workflow nothing does not exist in deployment dep"
    assert put(schedules, deployment="nowhere").status_code == 404
    assert put(schedules).status_code == 201
    assert put(schedules).status_code == 409
    nothing = get(schedules, "nothing")
    assert nothing.status_code == 404
    expected = "Requested `ExecutionSchedule` with ID `nothing` was not found (filters: {'deployment_id': 'dep'})"
    assert nothing.json()["message"] == expected
    assert put(schedules, "9lives").json()["message"] == "The `schedule_id` argument must begin with a letter"


def test_the_same_name_is_free_on_another_deployment(schedules: TestClient, core: Core) -> None:
    a_deployment(core, "other")
    assert put(schedules).status_code == 201
    assert put(schedules, deployment="other").status_code == 201
    assert schedules.get("/execution-schedules").json()["metadata"]["pagination"]["total"] == 2


def test_a_patch_changes_only_what_it_names(schedules: TestClient) -> None:
    before = put(schedules, weekdays=["mo"], slip=5).json()
    changed = patch(schedules, recurrence="2 weeks", until=None, weekdays=[], count=None, slip=None)
    assert changed.status_code == 201
    body = changed.json()
    assert body["rule"] == {"recurrence": "2 weeks", "count": None, "weekdays": ["MO"]}
    assert (body["slip"], body["since"], body["workflow_id"]) == (5, before["since"], "backup")


def test_the_end_can_be_set_and_cleared(schedules: TestClient) -> None:
    put(schedules)
    assert patch(schedules, until="2030-01-01").json()["until"] == "2030-01-01T00:00:00.000Z"
    assert patch(schedules, until=None).json()["until"] == "2030-01-01T00:00:00.000Z"
    assert patch(schedules, until="").json()["until"] is None


def test_a_schedule_of_an_rrule_can_be_disabled_and_enabled(schedules: TestClient) -> None:
    put(schedules, recurrence=None, rrule="FREQ=WEEKLY;BYDAY=FR")
    off = patch(schedules, enabled=False, recurrence=None, rrule=None, weekdays=[], count=None)
    assert off.status_code == 201
    assert off.json()["enabled"] is False
    on = patch(schedules, enabled=True).json()
    assert (on["enabled"], on["rule"]) == (True, {"rrule": "FREQ=WEEKLY;BYDAY=FR"})


def test_an_rrule_replaces_words_and_words_replace_an_rrule(schedules: TestClient) -> None:
    put(schedules)
    assert patch(schedules, rrule="FREQ=HOURLY").json()["rule"] == {"rrule": "FREQ=HOURLY"}
    words = {"recurrence": "3 days", "count": None, "weekdays": None}
    assert patch(schedules, recurrence="3 days").json()["rule"] == words


def test_a_refused_patch_changes_nothing(schedules: TestClient) -> None:
    before = put(schedules, slip=1).json()
    assert patch(schedules, slip=9, recurrence="often").status_code == 400
    assert patch(schedules, slip=9, workflow_id="nothing").status_code == 400
    assert get(schedules).json() == before


def test_a_new_workflow_is_checked_as_at_creation(schedules: TestClient) -> None:
    put(schedules)
    assert patch(schedules, workflow_id="nothing").json()["error_code"] == "nonexistent_workflow_error"
    assert patch(schedules, workflow_id="install").json()["workflow_id"] == "install"


def test_no_change_ever_makes_an_occurrence_of_the_past_due(schedules: TestClient, core: Core) -> None:
    put(schedules, since="2020-01-01 00:00", recurrence="1 min")
    for fields in ({"slip": 10_000}, {"enabled": False}, {"enabled": True}, {"since": "2019-01-01"}):
        body = patch(schedules, **fields).json()
        assert body["next_occurrence"] > core.clock.now().strftime("%Y-%m-%dT%H:%M:%S")


def test_a_zone_reads_back_and_moves_the_instants_with_its_clock(schedules: TestClient) -> None:
    body = put(schedules, since="2026-03-27 17:00", timezone="Europe/Berlin").json()
    assert body["timezone"] == "Europe/Berlin"
    rows = put(schedules, "u", since="2026-03-27 17:00").json()
    assert rows["timezone"] == "UTC"
    assert {text[11:] for text in rows["all_next_occurrences"]} == {"17:00:00"}
    assert {text[11:] for text in body["all_next_occurrences"]} == {"17:00:00", "16:00:00"}


def test_the_zone_inside_an_rrule_is_the_schedules_zone(schedules: TestClient) -> None:
    rule = "DTSTART;TZID=Asia/Jerusalem:20260101T180000\nRRULE:FREQ=DAILY"
    body = put(schedules, recurrence=None, rrule=rule, since="2025-01-01").json()
    assert body["timezone"] == "Asia/Jerusalem"
    assert patch(schedules, slip=3).status_code == 201
    clash = put(schedules, "t", recurrence=None, rrule=rule, since="2025-01-01", timezone="UTC")
    assert clash.status_code == 400


def test_deleting_removes_the_schedule_and_leaves_its_runs(schedules: TestClient, core: Core) -> None:
    put(schedules)
    run = an_execution(core, schedule_id="s")
    assert schedules.delete("/execution-schedules/s?deployment_id=dep").status_code == 204
    assert get(schedules).status_code == 404
    assert schedules.delete("/execution-schedules/s?deployment_id=dep").status_code == 404
    assert schedules.get(f"/executions/{run}").status_code == 200


def test_a_dry_run_tells_what_would_change_and_changes_nothing(schedules: TestClient) -> None:
    dry = schedules.put("/execution-schedules/s?deployment_id=dep&dry_run=true", json=DAILY)
    assert dry.status_code == 200
    assert (len(dry.json()["appear"]), dry.json()["disappear"], dry.json()["fires_now"]) == (30, [], False)
    assert get(schedules).status_code == 404
    before = put(schedules).json()
    url = "/execution-schedules/s?deployment_id=dep&dry_run=true"
    moved = schedules.patch(url, json={"recurrence": "2 days"}).json()
    assert (len(moved["appear"]), len(moved["disappear"])) == (0, 15)
    gone = schedules.patch(url, json={"enabled": False}).json()
    assert (len(gone["appear"]), len(gone["disappear"])) == (0, 30)
    assert get(schedules).json() == before


def test_a_preview_shows_utc_and_local_and_warns_of_clock_changes(schedules: TestClient) -> None:
    body = schedules.post(
        "/execution-schedules/preview",
        json={"since": "2026-01-01 01:30", "recurrence": "1 day", "timezone": "Europe/Berlin", "count_shown": 2},
    ).json()
    assert len(body["next"]) == 2
    assert body["next"][0]["utc"].endswith("01:30:00.000Z")
    assert body["next"][0]["local"].endswith("02:30:00+01:00") or body["next"][0]["local"].endswith("+02:00")
    assert [warning.split(" at ")[0] for warning in sorted(body["warnings"])] == [
        "The clocks go back", "The clocks go forward",
    ]  # fmt: skip
    fine = schedules.post("/execution-schedules/preview", json={"since": "2026-01-01", "recurrence": "20 sec"}).json()
    assert "collapse into one run a poll" in fine["warnings"][0]
    over = schedules.post("/execution-schedules/preview", json={"since": "2020-01-01", "count": 1}).json()
    assert (over["next"], over["last"]) == ([], "2020-01-01T00:00:00.000Z")
    assert schedules.post("/execution-schedules/preview", json={"recurrence": "x"}).status_code == 400


def _record(core: Core, **columns: Any) -> None:
    with core.store.write() as session:
        key = session.execute(select(ExecutionSchedule.storage_id)).scalar_one()
        session.add(ScheduleRecord(schedule_storage_id=key, decided_at=core.clock.now(), **columns))


def test_history_is_paged_newest_first_and_filtered_by_outcome(schedules: TestClient, core: Core) -> None:
    put(schedules)
    now = core.clock.now()
    for minute in range(5):
        outcome = "fired" if minute % 2 else "missed"
        _record(core, occurrence=now + timedelta(minutes=minute), outcome=outcome, reason=f"r{minute}")
    url = "/execution-schedules/s/history"
    page = schedules.get(url, params={"deployment_id": "dep", "_size": 2, "_offset": 1}).json()
    assert [item["reason"] for item in page["items"]] == ["r3", "r2"]
    assert page["metadata"]["pagination"] == {"total": 5, "size": 2, "offset": 1}
    fired = schedules.get(url, params={"deployment_id": "dep", "outcome": "fired"}).json()
    assert [item["outcome"] for item in fired["items"]] == ["fired", "fired"]
    assert schedules.get(url, params={"deployment_id": "dep", "outcome": "x"}).status_code == 400


def test_explain_answers_for_every_kind_of_instant(schedules: TestClient, core: Core) -> None:
    put(schedules, since="2026-01-01 18:00", until="2030-01-01")
    now = core.clock.now()
    fired = now.replace(hour=18, minute=0, second=0, microsecond=0) - timedelta(days=1)
    _record(core, occurrence=fired, outcome="fired", reason="on time", execution_id="gone")

    def explained(**params: str) -> Any:
        return schedules.get("/execution-schedules/s/explain", params={"deployment_id": "dep", **params}).json()

    last = explained()
    assert (last["outcome"], last["reason"], last["execution_id"]) == ("fired", "on time", "gone")
    assert last["facts"]["execution"] == {"id": "gone", "deleted": True}
    assert explained(at="2031-01-01 18:00")["reason"].startswith("The schedule ended before")
    assert explained(at="2025-01-01 18:00")["reason"].startswith("The schedule begins later")
    assert explained(at="2029-06-01 18:00")["outcome"] == "not_yet"
    assert explained(at="2029-06-01 18:01")["outcome"] == "no_occurrence"
    assert "created after" in explained(at="2026-01-02 18:00")["reason"]
    assert schedules.get("/execution-schedules/s/explain?deployment_id=dep&at=then").status_code == 400


def test_pruning_keeps_the_newest_rows_of_each_schedule(schedules: TestClient, core: Core) -> None:
    put(schedules)
    core.settings.history_rows = 3
    for minute in range(10):
        moment = core.clock.now() + timedelta(minutes=minute)
        _record(core, occurrence=moment, outcome="fired", reason=f"r{minute}")
    assert core.schedules.prune_history() == 7
    url = "/execution-schedules/s/history?deployment_id=dep"
    assert [item["reason"] for item in schedules.get(url).json()["items"]] == ["r9", "r8", "r7"]


def test_a_simulation_shows_what_would_fire_wait_and_be_skipped(schedules: TestClient) -> None:
    put(schedules, recurrence="1 hour", since="2026-01-01")
    put(schedules, "t", recurrence="1 hour", since="2026-01-01")
    body = {
        "from": "2026-03-02T12:30:00Z",
        "to": "2026-03-02T16:30:00Z",
        "run_seconds": {"default": 600},
        "maintenance": [["2026-03-02T14:30:00Z", "2026-03-02T15:30:00Z"]],
    }
    answer = schedules.post("/execution-schedules/simulate", json=body).json()
    outcomes = [(row["schedule"], row["occurrence"][11:16], row["outcome"]) for row in answer["firings"]]
    assert outcomes == [
        ("s", "13:00", "fired"), ("t", "13:00", "fired"),
        ("s", "14:00", "fired"), ("t", "14:00", "fired"),
        ("s", "15:00", "skipped_maintenance"), ("t", "15:00", "skipped_maintenance"),
        ("s", "16:00", "fired"), ("t", "16:00", "fired"),
    ]  # fmt: skip
    assert (answer["peak_running"], answer["longest_wait"], answer["complete"]) == (1, 600.0, True)
    assert schedules.get("/executions").json()["items"] == []
    none = schedules.post("/execution-schedules/simulate", json={**body, "deployments": ["other"]}).json()
    assert none["firings"] == []
    for wrong in ({"to": "2036-01-01"}, {"from": "then"}, {"run_seconds": {"a": "b"}}, {"maintenance": [1]}):
        assert schedules.post("/execution-schedules/simulate", json={**body, **wrong}).status_code == 400
