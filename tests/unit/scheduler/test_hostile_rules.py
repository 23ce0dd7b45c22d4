"""Rules made to hang or to lie are answered in milliseconds: refused, or produced at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from scheduler.recurrence import RecurrenceError, Rule, parse

NOW = datetime(2026, 1, 15, 10, 7, 33, tzinfo=UTC)
EVERYTHING = ",".join(map(str, range(24))), ",".join(map(str, range(60)))

EMPTY = [
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMONTH=4;BYMONTHDAY=31",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=6",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=1;BYYEARDAY=200",
    "FREQ=YEARLY;BYWEEKNO=10;BYMONTH=12",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2",
    "FREQ=DAILY;BYSETPOS=2",
    "FREQ=SECONDLY;BYSETPOS=2",
    "FREQ=SECONDLY;INTERVAL=60;BYSECOND=1",
    "FREQ=SECONDLY;INTERVAL=86400;BYHOUR=11",
    "FREQ=SECONDLY;INTERVAL=3600;BYMINUTE=1,2,3;BYSECOND=5",
    "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=0",
    "FREQ=MINUTELY;INTERVAL=10080;BYDAY=MO",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=9",
    "FREQ=HOURLY;INTERVAL=168;BYDAY=SU",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=MINUTELY;BYSETPOS=366",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29;BYDAY=6MO",
    "FREQ=SECONDLY;INTERVAL=999999999999;BYMONTH=2;BYMONTHDAY=30",
    "RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY",
    "RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY",
    "FREQ=DAILY;UNTIL=20200101T000000Z",
]

REFUSED = [
    "FREQ=DAILY;INTERVAL=0",
    "FREQ=DAILY;COUNT=0",
    "FREQ=DAILY;COUNT=-1",
    "FREQ=FORTNIGHTLY",
    "INTERVAL=2",
    "FREQ=DAILY;FREQ=WEEKLY",
    "FREQ=DAILY;BYHOUR=24",
    "FREQ=DAILY;BYMONTH=13",
    "FREQ=DAILY;BYDAY=0MO",
    "FREQ=DAILY;BYDAY=XX",
    "FREQ=MONTHLY;BYDAY=54MO",
    "FREQ=DAILY;BYMONTHDAY=0",
    "FREQ=DAILY;BYSETPOS=0",
    "FREQ=DAILY;RSCALE=GREGORIAN",
    "RSCALE=CHINESE;FREQ=MONTHLY;SKIP=FORWARD",
    "FREQ=DAILY;FOO=1",
    "FREQ",
    "",
    "  \n ",
    "RRULE:",
    "DTSTART:20260101T000000Z",
    "RRULE:FREQ=DAILY\nDTSTART:20260101\nDTSTART:20260102",
    "RRULE:FREQ=DAILY\nRDATE;VALUE=PERIOD:20260101T000000Z/PT1H",
    "RRULE:FREQ=DAILY\nEXDATE:yesterday",
    "RRULE:FREQ=DAILY\nDTSTART;TZID=Mars/Olympus:20260101T000000",
    "RRULE:FREQ=DAILY\nATTACH:x",
    "FREQ=DAILY;UNTIL=soon",
    "FREQ=DAILY;INTERVAL=" + "9" * 5000,
    "FREQ=DAILY;BYHOUR=" + "1," * 60_000,
    "FREQ=DAILY;INTERVAL=1_0",
    "FREQ=DAILY;INTERVAL=٣",
    "\n".join(["RRULE:FREQ=DAILY"] * 100),
    "FREQ=SECONDLY;INTERVAL=7;BYHOUR=1;COUNT=900000000",
]

HEAVY = [
    f"FREQ=DAILY;BYHOUR={EVERYTHING[0]};BYMINUTE={EVERYTHING[1]};BYSECOND={EVERYTHING[1]}",
    f"FREQ=SECONDLY;BYHOUR={EVERYTHING[0]};BYMINUTE={EVERYTHING[1]};BYSECOND={EVERYTHING[1]}",
    "FREQ=SECONDLY;COUNT=3000000000",
    "FREQ=SECONDLY;INTERVAL=3601;BYMINUTE=5;BYSECOND=9",
    "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3;BYMINUTE=5",
    "FREQ=SECONDLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=5",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=WEEKLY;INTERVAL=52;BYDAY=MO",
    "FREQ=YEARLY;INTERVAL=99",
    "FREQ=YEARLY;BYEASTER=-2,1",
    "FREQ=YEARLY;BYWEEKNO=53",
    "FREQ=YEARLY;BYYEARDAY=366",
    "FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=FR;BYHOUR=13",
    "FREQ=MINUTELY;INTERVAL=61;BYHOUR=0;BYMINUTE=0",
]


def timed(text: str, zone: str) -> tuple[Rule | None, float]:
    began = time.process_time()
    try:
        rule: Rule | None = parse(since="2021-01-15T10:00", rrule=text, timezone=zone)
    except RecurrenceError:
        rule = None
    return rule, time.process_time() - began


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("text", EMPTY)
def test_a_rule_without_occurrence_is_refused_in_milliseconds(text: str, zone: str) -> None:
    """The step budget and the horizon end every search."""
    began = time.process_time()
    with pytest.raises(RecurrenceError, match="the rule produces no occurrence"):
        parse(since="2021-01-15T10:00", rrule=text, timezone=zone)
    assert time.process_time() - began < 1.0, "milliseconds are meant; a second says it hangs"


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:60])
def test_an_ungrammatical_rule_is_refused_by_name(text: str) -> None:
    """Whatever is wrong with the text, the answer is one error that names the field."""
    began = time.process_time()
    with pytest.raises(RecurrenceError) as caught:
        parse(since="2021-01-15T10:00", rrule=text or " ")
    assert caught.value.field == "rrule"
    assert caught.value.message.startswith(("invalid RRULE string provided: ", "a count of "))
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("text", HEAVY, ids=lambda text: text[:60])
def test_a_heavy_rule_answers_quickly_and_truly(text: str, zone: str) -> None:
    """Dense, sparse and huge rules: making one is quick, and each look afterwards too."""
    rule, seconds = timed(text, zone)
    assert rule is not None
    assert seconds < 1.0
    rule = Rule.load(rule.dump())
    began = time.process_time()
    found = rule.after(NOW)
    assert time.process_time() - began < 0.5
    assert found is not None
    assert found > NOW
    assert rule.latest(NOW, found) == found
    assert rule.after(found) is None or rule.after(found) > found


def test_a_far_anchor_is_not_a_far_search() -> None:
    """`since` in the year 9000 and in the year 2 are both answered at once."""
    assert parse(since="9000-01-01", recurrence="1 day").after(NOW) == datetime(9000, 1, 1, tzinfo=UTC)
    old = parse(since="0002-01-01T00:00", recurrence="1 min")
    assert old.after(NOW) == datetime(2026, 1, 15, 10, 8, tzinfo=UTC)
    with pytest.raises(RecurrenceError, match="outside the years"):
        parse(since="9999-12-31", recurrence="1 day")


def test_exclusions_cannot_hang_a_search() -> None:
    """Excluding every occurrence ends in a refusal, excluding most of them in the first that is left."""
    text = "RRULE:FREQ=MINUTELY\nEXRULE:FREQ=MINUTELY;BYHOUR=" + ",".join(map(str, range(1, 24)))
    rule = parse(since="2026-01-15", rrule=text)
    assert rule.after(NOW) == datetime(2026, 1, 16, tzinfo=UTC)
