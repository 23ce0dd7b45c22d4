"""The time expressions of a blueprint's default schedules (scheduling.md §4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from scheduler.recurrence import RecurrenceError
from scheduler.recurrence.offsets import absolute_time, is_relative, parse_relative, relative_time, resolve_time

NOW = datetime(2026, 1, 31, 22, 30, 59, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+1day+10min", "2026-02-01T22:40"),
        ("+1d+4h", "2026-02-02T02:30"),
        ("+1 year +3 months", "2027-04-30T22:30"),
        ("+1 month", "2026-02-28T22:30"),
        ("+1mo", "2026-02-28T22:30"),
        ("+ 2 Weeks", "2026-02-14T22:30"),
        ("+25 months", "2028-02-29T22:30"),
        ("+1min", "2026-01-31T22:31"),
        ("+0 days", "2026-01-31T22:30"),
    ],
)
def test_relative_times_count_from_now_with_seconds_dropped(text: str, expected: str) -> None:
    """Terms apply left to right; months and years go by the calendar and end with the month."""
    assert is_relative(text)
    assert relative_time(text, now=NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_year_after_a_leap_day_is_the_end_of_february() -> None:
    """Where the predecessor raised."""
    assert relative_time("+1 year", now=datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2029, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "+", "1 day", "+1", "+xyz", "+1day10min", "+1 day and more", "+-1 day", "+1.5h",
                                  None, 5, "+1 sec", "+2 seconds", "+1 day +", "+99999999999 days"])  # fmt: skip
def test_other_texts_are_no_relative_time(text: Any) -> None:
    """Seconds are not allowed, and nothing may be left over."""
    with pytest.raises(RecurrenceError, match="is not a legal time delta"):
        parse_relative(text)


def test_a_relative_time_beyond_the_calendar_is_refused() -> None:
    """Not a crash, an error with its field."""
    for text in ("+900000 years", "+999999999 weeks"):
        with pytest.raises(RecurrenceError, match="beyond the calendar") as caught:
            relative_time(text, now=NOW, field="until")
        assert caught.value.field == "until"


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-07-01 18:00", "Asia/Jerusalem", "2026-07-01T15:00"),
        ("2026-01-01 18:00", "Asia/Jerusalem", "2026-01-01T16:00"),
        ("2026-1-1 8:05", "UTC", "2026-01-01T08:05"),
        ("22:00", "Asia/Jerusalem", "2026-02-01T20:00"),  # it is the first of February there already
        ("22:00", "America/New_York", "2026-02-01T03:00"),
        ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:30"),  # the gap
        ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30"),  # the fold: the first
    ],
)
def test_absolute_times_are_read_in_their_zone(text: str, zone: str, expected: str) -> None:
    """A time of day is the day of the upload in that zone."""
    instant = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert not is_relative(text)
    assert absolute_time(text, now=NOW, timezone=zone) == instant
    assert resolve_time(text, now=NOW, timezone=zone) == instant


@pytest.mark.parametrize("text", ["18", "25:00", "10:60", "2026-02-30 10:00", "tomorrow", 64800, None, "2026-01-01"])
def test_other_texts_are_no_time(text: Any) -> None:
    """YAML's integer for an unquoted 18:00 too."""
    with pytest.raises(RecurrenceError, match="is not a legal time format"):
        resolve_time(text, now=NOW, timezone="UTC")


def test_an_unknown_zone_is_refused() -> None:
    """By name."""
    with pytest.raises(RecurrenceError, match="Mars is not a recognized timezone"):
        absolute_time("10:00", now=NOW, timezone="Mars")
