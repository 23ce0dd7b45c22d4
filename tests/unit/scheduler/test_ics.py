"""Exclusion calendars, and schedules as VEVENTs (scheduling.md §6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar as ICalendar

from scheduler.recurrence import RecurrenceError, Rule, parse
from scheduler.recurrence.calendars import (
    ExportedSchedule,
    as_rrule,
    export_calendar,
    import_calendar,
    parse_calendar,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ics(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\r\n{event.strip()}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:t\r\n{body}END:VCALENDAR\r\n".replace("\r\n", "\n").replace(
        "\n", "\r\n"
    )


HOLIDAYS = ics(
    "UID:1\nDTSTART;VALUE=DATE:20260106\nDTEND;VALUE=DATE:20260108",
    "UID:2\nDTSTART;TZID=Europe/Rome:20260112T080000\nDTEND;TZID=Europe/Rome:20260112T120000",
    "UID:3\nDTSTART;VALUE=DATE:20251225\nRRULE:FREQ=YEARLY",
    "UID:4\nDTSTART:20260103T090000\nDURATION:PT2H\nRRULE:FREQ=WEEKLY;BYDAY=SA",
    "UID:5\nDTSTART;VALUE=DATE:20260120\nSTATUS:CANCELLED",
)


def daily(hour: int = 9, zone: str = "Europe/Rome") -> Rule:
    return parse(
        since=f"2026-01-01T{hour:02}:00", rrule="FREQ=DAILY", timezone=zone, exclude=[parse_calendar(HOLIDAYS, "h")]
    )


def test_an_occurrence_inside_an_event_does_not_exist() -> None:
    """Days in the schedule's own zone, times in theirs, repeating events by their rule."""
    rule = daily()
    days = [moment.day for moment in rule.between(NOW, datetime(2026, 1, 31, tzinfo=UTC))]
    assert days == [d for d in range(1, 31) if d not in (6, 7, 12, 3, 10, 17, 24)]
    christmas = datetime(2030, 12, 25, 9, tzinfo=UTC)
    assert rule.after(christmas - timedelta(hours=2)) == christmas + timedelta(days=1)
    again = Rule.load(rule.dump())
    assert again.next(NOW, 300) == rule.next(NOW, 300)


def test_a_date_event_is_the_local_day() -> None:
    """23:30 UTC on the 5th is the 6th in Rome."""
    rule = parse(
        since="2026-01-01T23:30", rrule="FREQ=DAILY", timezone="Europe/Rome", exclude=[parse_calendar(HOLIDAYS)]
    )
    days = [moment.day for moment in rule.between(NOW, datetime(2026, 1, 12, tzinfo=UTC))]
    assert 5 not in days
    assert 7 in days


def test_several_calendars_add_up_and_a_minutely_rule_jumps_over_them() -> None:
    """Two days of minutes are one step."""
    closed = parse_calendar(ics("UID:9\nDTSTART;VALUE=DATE:20260108\nDTEND;VALUE=DATE:20260201"))
    rule = parse(since="2026-01-01", recurrence="1 min", exclude=[parse_calendar(HOLIDAYS), closed])
    assert rule.after(datetime(2026, 1, 5, 23, 59, tzinfo=UTC)) == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_calendar_that_covers_everything_leaves_no_rule() -> None:
    """The rule is refused as one without occurrence."""
    closed = parse_calendar(ics("UID:9\nDTSTART;VALUE=DATE:20200101\nDTEND;VALUE=DATE:22000101"))
    with pytest.raises(RecurrenceError, match="produces no occurrence"):
        parse(since="2026-01-01", recurrence="1 day", exclude=[closed])


def test_a_moved_instance_is_where_it_was_moved_to() -> None:
    """RECURRENCE-ID takes the original out and puts the new one in."""
    text = ics(
        "UID:1\nDTSTART:20260105T090000Z\nDTEND:20260105T100000Z\nRRULE:FREQ=WEEKLY",
        "UID:1\nRECURRENCE-ID:20260112T090000Z\nDTSTART:20260113T090000Z\nDTEND:20260113T100000Z",
    )
    rule = parse(since="2026-01-01T09:30", recurrence="1 day", exclude=[parse_calendar(text)])
    days = [moment.day for moment in rule.between(NOW, datetime(2026, 1, 21, tzinfo=UTC))]
    assert days == [d for d in range(1, 21) if d not in (5, 13, 19)]


@pytest.mark.parametrize("text", ["", "hello", "BEGIN:VCALENDAR", ics("DTSTART:yesterday"), b"\xff\xfe",
                                  pytest.param("X" * 3_000_000, id="huge"),
                                  ics("UID:1\nDTSTART:20260101T000000Z\nDTEND;VALUE=DATE:20260102"),
                                  ics("UID:1\nDTSTART:20260101T000000Z\nRRULE:FREQ=SOMETIMES")])  # fmt: skip
def test_what_is_no_calendar_is_refused(text: str | bytes) -> None:
    """One error, whatever the parser stumbles over."""
    with pytest.raises(RecurrenceError):
        parse_calendar(text, "holidays").compiled("UTC")


def test_a_feed_says_with_rrule_what_it_can() -> None:
    """And reads back as the same occurrences."""
    rules = {
        "words": parse(since="2026-01-05T08:00Z", recurrence="2 weeks", weekdays=["MO", "TU"], timezone="Europe/Rome"),
        "count": parse(since="2026-01-05T08:00Z", recurrence="1 day", count=5),
        "rrule": parse(since="2026-01-05", rrule="RRULE:FREQ=MONTHLY;BYDAY=2MO;COUNT=3"),
        "once": parse(since="2026-02-05", count=1),
        "last": parse(since="2026-01-05", recurrence="1 month", weekdays=["L-FR"]),
    }
    feed = export_calendar([ExportedSchedule(name, name, rule) for name, rule in rules.items()], now=NOW)
    parsed = ICalendar.from_ical(feed)
    assert [str(event["UID"]) for event in parsed.walk("VEVENT")] == list(rules)
    for item in import_calendar(feed):
        assert item.refused is None
        again = parse(**item.fields)
        assert again.next(NOW, 20) == rules[item.uid].next(NOW, 20), item.uid
    assert "TZID=Europe/Rome" in feed


def test_what_one_rrule_cannot_say_is_a_year_of_dates() -> None:
    """Unions of prefixed weekdays and exclusions."""
    union = parse(since="2026-01-05", recurrence="1 month", weekdays=["1MO", "L-FR"])
    assert as_rrule(union) is None
    assert as_rrule(daily()) is None
    feed = export_calendar([ExportedSchedule("u", "u", union)], now=NOW)
    (item,) = import_calendar(feed)
    assert parse(**item.fields).next(NOW, 99) == union.between(NOW, NOW + timedelta(days=365))


def test_an_import_says_which_event_is_refused_and_why() -> None:
    """The others are offered."""
    text = ics(
        "UID:good\nSUMMARY:nightly\nDTSTART;TZID=America/New_York:20260105T220000\nRRULE:FREQ=DAILY",
        "UID:bad\nDTSTART:20260105T220000Z\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    )
    good, bad = import_calendar(text)
    assert (good.uid, good.summary, good.refused) == ("good", "nightly", None)
    assert good.fields == {"since": "2026-01-06T03:00:00Z", "timezone": "America/New_York", "rrule": "FREQ=DAILY"}
    assert (bad.uid, bad.refused) == ("bad", "the rule produces no occurrence")


def test_a_feed_brings_the_zones_that_its_events_name() -> None:
    """RFC 5545 §3.6.5: a VTIMEZONE a TZID, with the changes of the coming years; none for UTC."""
    rules = [
        parse(since=datetime(2026, 1, 1, 18, tzinfo=UTC), recurrence="1 day", timezone=name)
        for name in ("Asia/Jerusalem", "Asia/Jerusalem", "Europe/Berlin", "UTC")
    ]
    feed = export_calendar([ExportedSchedule(str(n), "s", rule) for n, rule in enumerate(rules)], now=NOW)
    zones = {str(zone["TZID"]): zone.to_tz() for zone in ICalendar.from_ical(feed).timezones}
    assert sorted(zones) == ["Asia/Jerusalem", "Europe/Berlin"]
    for month in (2, 7):
        local = datetime(2030, month, 1, 12, tzinfo=zones["Asia/Jerusalem"])
        assert local.utcoffset() == local.replace(tzinfo=ZoneInfo("Asia/Jerusalem")).utcoffset()
