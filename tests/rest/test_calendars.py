"""Exclusion calendars, calendar feeds and imports over REST (scheduling contract §6)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from icalendar import Calendar
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from tests.conftest import client_of
from tests.support.rows import a_deployment

HOLIDAY = "\r\n".join(
    [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//x//EN", "BEGIN:VEVENT", "UID:1", "DTSTAMP:20260101T000000Z",
        "SUMMARY:Spring holiday", "DTSTART;VALUE=DATE:20260304", "DTEND;VALUE=DATE:20260306", "END:VEVENT",
        "END:VCALENDAR", "",
    ]
)  # fmt: skip
EVENTS = HOLIDAY.replace("DTSTART;VALUE=DATE:20260304", "DTSTART;TZID=Europe/Berlin:20260304T080000").replace(
    "DTEND;VALUE=DATE:20260306", "DURATION:PT1M\r\nRRULE:FREQ=WEEKLY;BYDAY=WE"
)
_EVENT = EVENTS[EVENTS.index("BEGIN:VEVENT") : EVENTS.index("END:VCALENDAR")]
BROKEN = EVENTS.replace(
    "END:VCALENDAR", _EVENT.replace("FREQ=WEEKLY;BYDAY=WE", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30") + "END:VCALENDAR"
)


@pytest.fixture
def schedules(core: Core, client: TestClient) -> Iterator[TestClient]:
    a_deployment(core)
    client.put(
        "/execution-schedules/daily?deployment_id=dep",
        json={"workflow_id": "backup", "since": "2026-03-01 18:00", "recurrence": "1 day"},
    )
    yield client


def coming(client: TestClient, name: str = "daily") -> list[str]:
    url = f"/execution-schedules/{name}?deployment_id=dep&_next=4"
    return [text[:10] for text in client.get(url).json()["all_next_occurrences"]]


def put(client: TestClient, name: str, text: str) -> int:
    return client.put(
        f"/calendars/{name}", content=text.encode(), headers={"Content-Type": "text/calendar"}
    ).status_code


def test_an_exclusion_calendar_takes_occurrences_away_and_gives_them_back(schedules: TestClient) -> None:
    assert put(schedules, "holidays", HOLIDAY) == 200
    url = "/execution-schedules/daily?deployment_id=dep"
    assert coming(schedules) == ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    assert schedules.patch(url, json={"exclude_calendars": ["holidays"]}).status_code == 201
    assert coming(schedules) == ["2026-03-02", "2026-03-03", "2026-03-06", "2026-03-07"]
    explained = schedules.get("/execution-schedules/daily/explain?deployment_id=dep&at=2026-03-04 18:00").json()
    assert (explained["outcome"], explained["facts"]["excluded_by"]) == ("no_occurrence", "holidays")
    assert put(schedules, "holidays", HOLIDAY.replace("20260306", "20260305")) == 200
    assert coming(schedules) == ["2026-03-02", "2026-03-03", "2026-03-05", "2026-03-06"]
    assert schedules.delete("/calendars/holidays").status_code == 409
    schedules.delete(url)
    assert schedules.delete("/calendars/holidays").status_code == 204
    assert schedules.get("/calendars/holidays").status_code == 404


def test_calendars_are_listed_and_read_back_as_they_were(schedules: TestClient) -> None:
    put(schedules, "holidays", HOLIDAY)
    assert [row["name"] for row in schedules.get("/calendars").json()["items"]] == ["holidays"]
    assert schedules.get("/calendars/holidays").json()["text"] == HOLIDAY


@pytest.mark.parametrize("text", ["", "nonsense", "BEGIN:VCALENDAR", HOLIDAY.replace("20260304", "2026")])
def test_a_text_that_is_no_calendar_is_refused(schedules: TestClient, text: str) -> None:
    assert put(schedules, "holidays", text) in {200, 400}
    if text != "BEGIN:VCALENDAR" and text:
        assert put(schedules, "holidays", text) == 400


def test_the_feed_has_an_event_a_schedule_that_says_its_rule(schedules: TestClient) -> None:
    answer = schedules.get("/execution-schedules.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    (event,) = Calendar.from_ical(answer.text).walk("VEVENT")
    assert event["RRULE"].to_ical() == b"FREQ=DAILY"
    uid = event["UID"]
    schedules.patch("/execution-schedules/daily?deployment_id=dep", json={"recurrence": "2 days"})
    (event,) = Calendar.from_ical(schedules.get("/deployments/dep/schedules.ics").text).walk("VEVENT")
    assert event["UID"] == uid
    assert event["RRULE"].to_ical() == b"FREQ=DAILY;INTERVAL=2"
    assert not Calendar.from_ical(schedules.get("/deployments/other/schedules.ics").text).walk("VEVENT")


def test_a_feed_token_reads_its_feed_alone_until_it_is_revoked(schedules: TestClient, core: Core) -> None:
    made = schedules.post("/feeds", json={"deployment_id": "dep"})
    assert made.status_code == 201
    token = made.json()["token"]
    assert token not in schedules.get("/feeds").text
    with client_of(core) as anonymous:
        own = f"/deployments/dep/schedules.ics?token={token}"
        assert anonymous.get(own).status_code == 200
        assert anonymous.get(f"/execution-schedules.ics?token={token}").status_code == 401
        assert anonymous.get("/deployments/dep/schedules.ics").status_code == 401
        assert anonymous.get("/execution-schedules", headers={"Authentication-Token": token}).status_code == 401
        assert schedules.delete(f"/feeds/{made.json()['id']}").status_code == 204
        assert anonymous.get(own).status_code == 401


def import_(client: TestClient, text: str, **params: str) -> dict[str, object]:
    params = {"deployment_id": "dep", "workflow_id": "backup", **params}
    answer = client.post("/execution-schedules/import", params=params, content=text.encode())
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


def test_an_import_makes_schedules_in_the_zone_of_their_events(schedules: TestClient) -> None:
    assert import_(schedules, EVENTS, dry_run="true") == {"created": ["Spring-holiday"], "refused": []}
    assert schedules.get("/execution-schedules/Spring-holiday?deployment_id=dep").status_code == 404
    assert import_(schedules, EVENTS)["created"] == ["Spring-holiday"]
    made = schedules.get("/execution-schedules/Spring-holiday?deployment_id=dep").json()
    assert (made["timezone"], made["rule"]) == ("Europe/Berlin", {"rrule": "FREQ=WEEKLY;BYDAY=WE"})
    assert made["next_occurrence"] == "2026-03-04T07:00:00.000Z"


def test_an_import_is_all_or_nothing_unless_partial(schedules: TestClient) -> None:
    refused = import_(schedules, BROKEN)
    assert refused["created"] == []
    assert len(refused["refused"]) == 1
    partly = import_(schedules, BROKEN, partial="true")
    assert len(partly["created"]) == 1
    bad = schedules.post("/execution-schedules/import?deployment_id=dep&workflow_id=backup", content=b"nonsense")
    assert bad.status_code == 400
    assert schedules.post("/execution-schedules/import?deployment_id=dep", content=b"").status_code == 400
