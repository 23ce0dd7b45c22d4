"""Around every change of every zone's clocks from 2000 to 2100, occurrences are where the written rule puts them.

The oracle is `zoneinfo` alone: each wall time, first pass (`fold=0`), turned to UTC, sorted, without repeats. By
default a sample of the changes is tried; with ``HYPOTHESIS_PROFILE=ci`` all of them.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from scheduler.recurrence import parse

ALL = os.environ.get("HYPOTHESIS_PROFILE") == "ci"
QUARTER = timedelta(minutes=15)
EVERY_QUARTER = "FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=0,15,30,45"
ZONES = sorted(available_timezones() - {"localtime", "Factory"})


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """Return the instants (UTC) at which the zone's offset changes, found without the code under test."""
    info = ZoneInfo(name)
    found = []
    step = timedelta(days=5)
    low = datetime(2000, 1, 1, tzinfo=UTC)
    offset = low.astimezone(info).utcoffset()
    while low < datetime(2100, 12, 31, tzinfo=UTC):
        high = low + step
        if high.astimezone(info).utcoffset() != offset:
            left, right = low, high
            while right - left > timedelta(seconds=1):
                middle = (left + (right - left) / 2).replace(microsecond=0)
                if middle.astimezone(info).utcoffset() == offset:
                    left = middle
                else:
                    right = middle
            found.append(right)
            offset = right.astimezone(info).utcoffset()
            low = right
        else:
            low = high
    return tuple(found)


def first_pass(walls: list[datetime], name: str) -> list[datetime]:
    """Return the instants of wall times: by the offset before a gap, the first of a fold; sorted, each once."""
    return sorted({wall.replace(tzinfo=ZoneInfo(name), fold=0).astimezone(UTC) for wall in walls})


def check_change(name: str, change: datetime, source: random.Random) -> None:
    local = change.astimezone(ZoneInfo(name)).replace(tzinfo=None)
    start = (local - timedelta(days=2)).replace(hour=0, minute=0, second=0)
    walls = [start + QUARTER * n for n in range(96 * 5)]
    instants = first_pass(walls, name)
    rule = parse(since=start.replace(tzinfo=ZoneInfo(name)), rrule=EVERY_QUARTER, timezone=name)
    low, high = instants[10], instants[-10]
    wanted = [moment for moment in instants if low <= moment <= high]
    assert rule.between(low, high) == wanted, f"{name} {change}"
    for _ in range(8):
        point = change + timedelta(seconds=source.randrange(-100_000, 100_000))
        later = [moment for moment in wanted if moment > point]
        if point < low or not later:
            continue
        assert rule.after(point) == later[0], f"{name} {change} after {point}"
    # one wall time a day, in the very middle of the change
    middle = local + timedelta(minutes=source.choice([-90, -60, -45, -30, -15, 0, 15, 30, 45]))
    days = [middle + timedelta(days=n) for n in range(-3, 4)]
    daily = parse(since=first_pass(days[:1], name)[0], recurrence="1 day", timezone=name)
    assert daily.between(first_pass(days, name)[0], first_pass(days, name)[-1]) == first_pass(days, name), (
        f"{name} {change}"
    )
    # elapsed time does not notice
    hourly = parse(since=change - timedelta(hours=40), recurrence="4 hours", timezone=name)
    assert hourly.next(change - timedelta(hours=41), 20) == [
        change - timedelta(hours=40) + timedelta(hours=4) * n for n in range(20)
    ]


@pytest.mark.parametrize("part", range(8))
def test_daily_rules_hold_at_changes_of_every_zone(part: int) -> None:
    """Nothing is lost, doubled or moved but as the rule for gaps and folds says."""
    source = random.Random(part)
    for name in ZONES[part::8]:
        # finding the changes costs more than trying one: without the ci profile every sixth zone, three changes each
        if not ALL and source.random() > 0.17:
            continue
        found = changes(name)
        for change in found if ALL else source.sample(found, min(3, len(found))):
            check_change(name, change, source)


@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day left out
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # half an hour
        ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),  # back and forth around Ramadan
        ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("Asia/Jerusalem", datetime(2026, 10, 24, 23, tzinfo=UTC)),
        ("Europe/Dublin", datetime(2099, 3, 29, 1, tzinfo=UTC)),
    ],
)
def test_the_odd_changes_hold(name: str, around: datetime) -> None:
    """The date line, the half hour, Ramadan, negative summer time, and a far year."""
    near = [change for change in changes(name) if abs(change - around) < timedelta(days=40)]
    assert near, f"no change of {name} near {around}"
    for change in near:
        for seed in range(5):
            check_change(name, change, random.Random(seed))


def test_an_hourly_rule_with_hours_of_the_day_is_tested_against_the_local_clock() -> None:
    """Every 30 minutes in office hours: 9 to 16 o'clock by the wall, on both sides of a change."""
    rule = parse(
        since="2026-03-27", rrule="FREQ=MINUTELY;INTERVAL=30;BYHOUR=9,10,11,12,13,14,15", timezone="Europe/Berlin"
    )
    for moment in rule.next(datetime(2026, 3, 27, tzinfo=UTC), 200):
        local = moment.astimezone(ZoneInfo("Europe/Berlin"))
        assert 9 <= local.hour <= 15
        assert local.minute in (0, 30)


@pytest.mark.parametrize("name", ["Australia/Lord_Howe", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "text",
    [
        "FREQ=HOURLY;BYMINUTE=10,40",
        "FREQ=HOURLY;INTERVAL=3;BYHOUR=0,1,2,3,9;BYMINUTE=10,40",
        "FREQ=MINUTELY;INTERVAL=7;BYHOUR=1,2,3",
        "FREQ=MINUTELY;BYHOUR=1,2;BYMINUTE=5,35;BYDAY=SU",
        "FREQ=SECONDLY;INTERVAL=90;BYHOUR=2;BYDAY=SU,MO",
    ],
)
def test_sub_daily_rules_count_elapsed_time_and_test_the_local_clock(name: str, text: str) -> None:
    """Compared with a walk over every second of the elapsed grid around both changes of a year."""
    units = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}
    parts = dict(part.split("=") for part in text.split(";"))
    unit = units[parts["FREQ"]]
    info = ZoneInfo(name)
    near = [c for c in changes(name) if c.year == 2026] or [datetime(2026, 4, 5, tzinfo=UTC)]
    for change in near:
        since = change - timedelta(days=2)
        rule = parse(since=since, rrule=text, timezone=name)
        first = since.astimezone(info)
        floor = since - timedelta(seconds=(first.minute * 60 + first.second) % unit)
        wanted = []
        step = unit * int(parts.get("INTERVAL", 1))
        for begin in range(0, 4 * 86400, step):
            if unit == 3600:
                offsets = [minute * 60 + first.second for minute in range(60)]
            else:
                offsets = [first.second % unit if unit == 60 else 0]
            for offset in offsets:
                moment = floor + timedelta(seconds=begin + offset)
                local = moment.astimezone(info)
                allowed = (
                    ("BYMINUTE" not in parts or str(local.minute) in parts["BYMINUTE"].split(","))
                    and ("BYHOUR" not in parts or str(local.hour) in parts["BYHOUR"].split(","))
                    and ("BYDAY" not in parts or f"{local:%a}"[:2].upper() in parts["BYDAY"].split(","))
                )
                if allowed and moment >= since:
                    wanted.append(moment)
        end = since + timedelta(days=3)
        assert rule.between(since, end) == [moment for moment in wanted if moment <= end], f"{name} {change}"
