"""What may be written in a rule's fields, what it means, and the texts of the refusals (scheduling.md §1-§3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.recurrence import RecurrenceError, Rule, parse
from scheduler.recurrence.grammar import parse_time

START = "2026-01-01T10:00"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def refusal(**fields: Any) -> RecurrenceError:
    with pytest.raises(RecurrenceError) as caught:
        parse(**{"since": START, **fields})
    return caught.value


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("1 sec", "10:00:01"),
        ("90seconds", "10:01:30"),
        ("1 min", "10:01:00"),
        ("5 MINUTES", "10:05:00"),
        ("2h", "12:00:00"),
        ("3 Hours", "13:00:00"),
    ],
)
def test_units_and_letter_case(text: str, second: str) -> None:
    """A number, at most one space, a unit in any case, with or without its plural."""
    assert parse(since=START, recurrence=text).next_texts(at(2026, 1, 1, 10), 1) == [f"2026-01-01 {second}"]


@pytest.mark.parametrize(
    "text",
    ["0 min", "-2 days", "1.5 hours", "every 2 days", "2 days ", " 2 days", "2  days", "2 fortnights", "days", "2",
     "1 mon", "1 day 2 hours", "１ day", "1_0 days", 5, ["1 day"], "1 days\n"],
)  # fmt: skip
def test_anything_else_is_no_recurrence(text: Any) -> None:
    """The whole text must match, and the number be positive."""
    error = refusal(recurrence=text)
    assert error.field == "recurrence"
    assert error.message.startswith(f"`{text}` is not a legal recurrence expression. Supported format is: <number> ")


def test_a_count_above_one_needs_a_recurrence() -> None:
    """1 is a single run at `since`; any other number, and none, is refused without a recurrence."""
    text = "recurrence must be specified for execution count larger than 1"
    assert refusal().message == text
    assert refusal(count=2).message == text
    single = parse(since=START, count=1)
    assert single.next(at(2025, 1, 1), 5) == [at(2026, 1, 1, 10)]
    assert single.rule == {"recurrence": None, "count": 1, "weekdays": None}
    assert single.last == at(2026, 1, 1, 10)


@pytest.mark.parametrize("count", [0, -1, "x", 1.5, True, "0", [1]])
def test_a_count_is_a_positive_integer(count: Any) -> None:
    """Its decimal text is accepted too; nothing else is."""
    assert refusal(recurrence="1 day", count=count).field == "count"
    assert parse(since=START, recurrence="1 day", count="3").last == at(2026, 1, 3, 10)


def test_weekdays_are_stored_in_upper_case_and_restrict() -> None:
    """`1 days` with [WE] is each Wednesday; `2 days` only the odd days that fall on one."""
    rule = parse(since=START, recurrence="1 days", weekdays=["we"])
    assert rule.rule == {"recurrence": "1 days", "count": None, "weekdays": ["WE"]}
    assert rule.next(at(2026, 1, 1), 2) == [at(2026, 1, 7, 10), at(2026, 1, 14, 10)]
    odd = parse(since=START, recurrence="2 days", weekdays=["WE", "TH"])
    assert odd.next(at(2026, 1, 1), 3) == [at(2026, 1, 1, 10), at(2026, 1, 7, 10), at(2026, 1, 15, 10)]
    assert parse(since=START, recurrence="1 day", weekdays=[]).rule["weekdays"] is None


def test_prefixed_weekdays_are_a_union_in_order_without_repeats() -> None:
    """The second Monday and the last Friday, and plain Sundays beside them."""
    rule = parse(since="2026-01-01", recurrence="1 month", weekdays=["2MO", "L-FR"])
    assert rule.next(at(2025, 12, 31), 4) == [at(2026, 1, 12), at(2026, 1, 30), at(2026, 2, 9), at(2026, 2, 27)]
    mixed = parse(since="2026-01-01", recurrence="1 month", weekdays=["SU", "1SU", "2MO"], count=5)
    assert mixed.next(at(2025, 12, 31), 9) == [
        at(2026, 1, 4), at(2026, 1, 11), at(2026, 1, 12), at(2026, 1, 18), at(2026, 1, 25)
    ]  # fmt: skip
    yearly = parse(since="2026-01-01", recurrence="1 year", weekdays=["l-mo"])
    assert yearly.next(at(2026, 1, 1), 2) == [at(2026, 12, 28), at(2027, 12, 27)]


def test_refused_weekdays_say_which_and_why() -> None:
    """Unknown days, prefixes with a short recurrence, and what is no list."""
    error = refusal(recurrence="1 day", weekdays=["moon"])
    assert error.message == (
        "weekdays list contains an invalid weekday `MOON`. Valid weekdays are: MO|TU|WE|TH|FR|SA|SU or their lowercase "
        "values, optionally prefixed by 1-4 or l-/L-."
    )
    error = refusal(recurrence="2 weeks", weekdays=["2MO"])
    assert error.message == (
        "complex weekday expression 2MO can only be used with a months|years recurrence, but got week."
    )
    assert refusal(recurrence="1 day", weekdays="MO").message == "weekdays: expected a list, but got: MO"
    assert refusal(recurrence="1 month", weekdays=["5MO"]).field == "weekdays"


def test_rrule_excludes_the_words() -> None:
    """A rule is written one way or the other."""
    error = refusal(rrule="FREQ=DAILY", count=3)
    assert error.message == "`rrule` cannot be provided together with `recurrence`, `weekdays` or `count`."


def test_short_months_are_skipped_and_leap_days_wait() -> None:
    """RFC 5545 drops a day that does not exist."""
    assert parse(since="2026-01-31", recurrence="1 months").next(at(2026, 1, 31), 2) == [
        at(2026, 3, 31),
        at(2026, 5, 31),
    ]
    assert parse(since="2024-02-29", recurrence="1 year").after(at(2024, 3, 1)) == at(2028, 2, 29)


def test_since_and_until_are_inclusive_and_the_earlier_end_wins() -> None:
    """Both bounds belong to the rule; of `count` and `until` the earlier ends it."""
    rule = parse(since=START, until="2026-01-03T10:00Z", recurrence="1 day")
    assert rule.between(at(2026, 1, 1, 10), at(2026, 2, 1)) == [at(2026, 1, d, 10) for d in (1, 2, 3)]
    assert parse(since=START, until="2026-01-03T09:59", recurrence="1 day", count=9).last == at(2026, 1, 2, 10)
    assert parse(since=START, until="2026-02-03", recurrence="1 day", count=2).last == at(2026, 1, 2, 10)
    assert refusal(recurrence="1 day", until="2025-01-01").message == "the rule produces no occurrence"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-02", at(2026, 1, 2)),
        ("2026-01-02 03:04", at(2026, 1, 2, 3, 4)),
        ("2026-01-02T03:04:05", at(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02 03:04:05.678", at(2026, 1, 2, 3, 4, 5, 678000)),
        ("2026-01-02T03:04Z", at(2026, 1, 2, 3, 4)),
        ("2026-01-02T03:04:05.678901Z", at(2026, 1, 2, 3, 4, 5, 678901)),
        ("2026-01-02T03:04+02:00", at(2026, 1, 2, 1, 4)),
        ("2026-01-02 03:04-0530", at(2026, 1, 2, 8, 34)),
    ],
)
def test_time_formats(text: str, instant: datetime) -> None:
    """Without an offset the text is UTC."""
    assert parse_time(text) == instant


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "2026-02-30", "26-01-01", "2026-01-01T", "2026-01-01 24:00",
                                  "2026-01-01T10", "2026-1-1", "2026-01-01 10:00 CET", 5, None,
                                  "2026-01-01T10:00+25:00", "0001-01-01T00:00+10:00", "٢٠٢٦-01-01"])  # fmt: skip
def test_no_other_time_format(text: Any) -> None:
    """The refusal quotes what was given."""
    with pytest.raises(RecurrenceError, match="is not a legal time format") as caught:
        parse_time(text, field="until")
    assert caught.value.field == "until"


def test_a_naive_datetime_is_refused() -> None:
    """Inside the code every instant is aware."""
    with pytest.raises(RecurrenceError, match="has no time zone"):
        parse(since=datetime(2026, 1, 1), recurrence="1 day")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "est5", "/etc/localtime", "Europe", 5])
def test_an_unknown_zone_is_refused(name: Any) -> None:
    """By name, and blamed on its field."""
    error = refusal(recurrence="1 day", timezone=name)
    assert error.field == "timezone"
    assert "is not a recognized timezone" in error.message


def test_daily_at_six_in_jerusalem_stays_at_six() -> None:
    """A wall time follows the wall: 16:00Z in winter, 15:00Z in summer; the default zone does as Cloudify does."""
    rule = parse(since="2026-03-26T16:00Z", recurrence="1 day", timezone="Asia/Jerusalem")
    assert rule.next_texts(at(2026, 3, 26), 3) == ["2026-03-26 16:00:00", "2026-03-27 15:00:00", "2026-03-28 15:00:00"]
    plain = parse(since="2026-03-26T16:00Z", recurrence="1 day")
    assert plain.next_texts(at(2026, 3, 27), 1) == ["2026-03-27 16:00:00"]
    assert plain.timezone == "UTC"


def test_fridays_late_in_new_york_are_fridays_there() -> None:
    """23:30 in New York is Saturday in UTC."""
    rule = parse(since="2026-01-03T04:30Z", recurrence="1 day", weekdays=["FR"], timezone="America/New_York")
    assert rule.next_texts(at(2026, 1, 3), 2) == ["2026-01-03 04:30:00", "2026-01-10 04:30:00"]


def test_a_set_of_lines() -> None:
    """RRULEs, RDATE, EXDATE, EXRULE and DTSTART together; floating times are the schedule's."""
    text = """
DTSTART;TZID=Europe/Rome:20260105T080000
RRULE:FREQ=WEEKLY;BYDAY=MO
RRULE:FREQ=MONTHLY;BYMONTHDAY=15
RDATE:20260107T080000,20260108T120000
EXDATE:20260112T080000
EXDATE;VALUE=DATE:20260119
EXRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=MO
"""
    rule = parse(since="2026-01-01", rrule=text)
    assert rule.timezone == "Europe/Rome"
    assert rule.next_texts(at(2026, 1, 1), 4) == [
        "2026-01-07 07:00:00", "2026-01-08 11:00:00", "2026-01-15 07:00:00", "2026-02-02 07:00:00"
    ]  # fmt: skip
    assert parse(since="2026-01-08", rrule=text).next_texts(at(2026, 1, 1), 1) == ["2026-01-08 11:00:00"]
    assert refusal(rrule=text, timezone="Europe/Paris").field == "timezone"
    assert parse(since=START, rrule=text, timezone="Europe/Rome").timezone == "Europe/Rome"


def test_until_inside_and_outside_both_hold() -> None:
    """UNTIL with Z is an instant, without it local time."""
    inside = parse(since=START, rrule="FREQ=DAILY;UNTIL=20260103T100000Z", until="2026-01-09")
    assert inside.last == at(2026, 1, 3, 10)
    assert parse(since=START, rrule="RRULE:FREQ=DAILY;UNTIL=20260109T000000", until="2026-01-03").last == at(
        2026, 1, 2, 10
    )
    local = parse(since=START, rrule="FREQ=DAILY;UNTIL=20260103T110000", timezone="Europe/Rome")
    assert local.last == at(2026, 1, 3, 10)


def test_count_is_an_instant_from_then_on() -> None:
    """A huge COUNT costs nothing, and the dumped rule carries the end it came to."""
    hours = parse(since="2021-01-15T10:20:07", rrule="FREQ=DAILY;BYHOUR=9,10,11;BYMINUTE=0,30;BYDAY=MO,TU;COUNT=7003")
    assert hours.last == at(2032, 3, 23, 9, 0, 7)
    assert parse(since="2026-01-01", rrule="FREQ=SECONDLY;BYHOUR=1;COUNT=36000000").last == at(2053, 5, 18, 1, 59, 59)
    rule = parse(since="2000-01-01", rrule="FREQ=SECONDLY;COUNT=1000000000")
    assert rule.last == at(2000, 1, 1) + timedelta(seconds=999_999_999)
    assert rule.dump()["p"][0]["end"] == int(rule.last.timestamp())
    assert parse(since="2000-01-01", recurrence="1 day", count=10**12).last is None


def test_a_rule_survives_its_dump() -> None:
    """What is loaded is what was dumped, through JSON."""
    import json

    rule = parse(since=START, recurrence="2 months", weekdays=["2MO", "L-FR"], count=7, timezone="Asia/Tokyo")
    again = Rule.load(json.loads(json.dumps(rule.dump())))
    assert again == rule
    assert again.next(at(2026, 1, 1), 99) == rule.next(at(2026, 1, 1), 99)
    for broken in ({}, {"v": 9}, {"v": 1, "tz": "UTC"}, {"v": 1, "tz": "Mars", "rule": {}}, None, 5):
        with pytest.raises(ValueError):
            Rule.load(broken)  # type: ignore[arg-type]


def test_a_rule_whose_instants_are_past_is_legal() -> None:
    """It has a last occurrence and no next one."""
    rule = parse(since="2020-01-01", recurrence="1 day", count=3)
    assert rule.after(at(2026, 1, 1)) is None
    assert rule.last == at(2020, 1, 3)


def test_fractions_of_a_second_are_cut_from_the_anchor() -> None:
    """Occurrences are whole seconds, as dateutil's are."""
    rule = parse(since="2026-01-01T10:00:00.999Z", recurrence="1 min")
    assert rule.after(at(2025, 12, 31)) == at(2026, 1, 1, 10)
    assert rule.after(at(2026, 1, 1, 9, 59, 59, 999999)) == at(2026, 1, 1, 10)
    assert rule.after(at(2026, 1, 1, 10, 0, 0, 1)) == at(2026, 1, 1, 10, 1)


def test_years_of_minutes_are_listed_and_counted_at_once() -> None:
    """`all_next_occurrences` of an old minutely rule has its thousand."""
    rule = parse(since="2015-01-01", recurrence="1 min")
    texts = rule.next_texts(at(2026, 1, 1), 1000)
    assert (len(texts), texts[0], texts[-1]) == (1000, "2026-01-01 00:01:00", "2026-01-01 16:40:00")
    assert rule.count(at(2015, 1, 1), at(2026, 1, 1)) == (5_785_921, True)
    assert rule.latest(at(2015, 1, 1), at(2026, 1, 1, 0, 0, 59)) == at(2026, 1, 1)
