"""Whatever the rule, ours produces what python-dateutil produces, from anywhere, and says the same in every
question.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.recurrence import RecurrenceError, Rule, parse

SPANS = {
    "YEARLY": timedelta(days=366 * 30),
    "MONTHLY": timedelta(days=366 * 8),
    "WEEKLY": timedelta(days=366 * 4),
    "DAILY": timedelta(days=500),
    "HOURLY": timedelta(days=20),
    "MINUTELY": timedelta(hours=30),
    "SECONDLY": timedelta(minutes=100),
}
INTERVALS = {"HOURLY": [1, 2, 3, 5, 7, 24, 25], "MINUTELY": [1, 5, 7, 15, 61, 90], "SECONDLY": [1, 7, 45, 60, 61, 100]}
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def some(source: random.Random, low: int, high: int, most: int, *, signed: bool = False) -> str:
    numbers = {source.randint(low, high) for _ in range(source.randint(1, most))}
    return ",".join(str(n if not signed or source.random() < 0.7 else -n) for n in sorted(numbers))


def a_rule(source: random.Random) -> tuple[str, datetime, datetime]:  # noqa: PLR0912 - one branch a rule part
    """Return a random RRULE without bounds, its anchor and the end of the window to compare.

    Combinations that never hold are left to the list of hostile rules: python-dateutil searches them to the year 9999.
    """
    freq = source.choice(list(SPANS))
    parts = [f"FREQ={freq}"]
    daily = freq in ("HOURLY", "MINUTELY", "SECONDLY")
    interval = source.choice(INTERVALS.get(freq, [1, 1, 2, 3, 4, 5, 8, 13]))
    if interval > 1 or source.random() < 0.2:
        parts.append(f"INTERVAL={interval}")
    if source.random() < 0.4:
        parts.append(f"WKST={source.choice(DAYS)}")
    if source.random() < 0.2:
        parts.append(f"BYMONTH={some(source, 1, 12, 5)}")
    part = source.random()
    if part < 0.25:
        parts.append(f"BYMONTHDAY={some(source, 1, 28, 4, signed=True)}")
    elif part < 0.3 and freq != "DAILY":
        parts.append(f"BYMONTHDAY={some(source, 28, 31, 3)}")
    elif part < 0.4 and len(parts) == 1:
        parts.append(f"BYYEARDAY={some(source, 1, 366, 8, signed=True)}")
    elif part < 0.5 and freq == "YEARLY" and "BYMONTH" not in ";".join(parts):
        parts.append(f"BYWEEKNO={some(source, 1, 53, 4)}")
    if source.random() < 0.35 and "BYYEARDAY" not in parts[-1]:
        chosen = source.sample(DAYS, source.randint(1, 4))
        if freq in ("MONTHLY", "YEARLY") and source.random() < 0.6 and "DAY" not in ";".join(parts):
            high = 4 if freq == "MONTHLY" or "BYMONTH=" in ";".join(parts) else 52
            chosen = [f"{source.choice([1, -1]) * source.randint(1, high)}{day}" for day in chosen]
        parts.append(f"BYDAY={','.join(chosen)}")
    filtered = any(part.startswith("BY") for part in parts)
    if source.random() < 0.25 and not (daily and filtered and interval > 1):
        parts.append(f"BYHOUR={some(source, 0, 23, 4)}")
    if source.random() < 0.25 and not (daily and filtered and interval > 1):
        parts.append(f"BYMINUTE={some(source, 0, 59, 4)}")
    if source.random() < 0.15 and not (daily and filtered and interval > 1):
        parts.append(f"BYSECOND={some(source, 0, 59, 3)}")
    if len(parts) > 2 and source.random() < 0.25:
        parts.append(f"BYSETPOS={source.choice(['1', '-1', '1,2', '-2,1', '-1,3', '1,-1'])}")
    since = datetime(2000, 1, 1) + timedelta(seconds=source.randrange(40 * 365 * 86400))
    if source.random() < 0.3:
        since = since.replace(day=source.choice([1, 28]), hour=0, minute=0, second=0)
    return ";".join(parts), since, since + SPANS[freq]


def expected(text: str, since: datetime, until: datetime, most: int = 300) -> list[datetime]:
    """Return what python-dateutil gives, at most `most` of it."""
    stop = f"{text};UNTIL={until:%Y%m%dT%H%M%S}"
    try:
        return [moment.replace(tzinfo=UTC) for moment in islice(rrulestr(stop, dtstart=since), most)]
    except ValueError:  # dateutil's word for "this interval never meets these hours"
        return []


def made(text: str, since: datetime, until: datetime) -> Rule | None:
    try:
        return parse(since=since.replace(tzinfo=UTC), until=until.replace(tzinfo=UTC), rrule=text)
    except RecurrenceError as error:
        assert error.message == "the rule produces no occurrence", error.message
        return None


def compare(seed: int) -> None:
    source = random.Random(seed)
    text, since, until = a_rule(source)
    wanted = expected(text, since, until)
    if len(wanted) == 300:
        until = wanted[-1].replace(tzinfo=None)
    rule = made(text, since, until)
    if rule is None:
        assert wanted == [], f"{text} from {since}: ours is empty"
        return
    start = since.replace(tzinfo=UTC) - timedelta(days=1)
    assert rule.next(start, len(wanted) + 1) == wanted, f"{text} from {since} until {until}"
    assert rule.last == wanted[-1]
    rule = Rule.load(rule.dump())
    for _ in range(6):
        point = since.replace(tzinfo=UTC) + (until - since) * source.random()
        if source.random() < 0.5:
            point = source.choice(wanted) + timedelta(seconds=source.choice([-1, 0, 1]))
        later = [moment for moment in wanted if moment > point]
        earlier = [moment for moment in wanted if moment <= point]
        assert rule.after(point) == (later[0] if later else None), f"{text} from {since} after {point}"
        assert rule.next(point, 5) == later[:5], f"{text} from {since} after {point}"
        assert rule.latest(start, point) == (earlier[-1] if earlier else None), f"{text} from {since} to {point}"
        number, exact = rule.count(start, point)
        assert number == len(earlier) if exact else number <= len(earlier)
        assert rule.between(start, point) == earlier


@pytest.mark.parametrize("block", range(20))
def test_two_thousand_seeded_rules_equal_dateutil(block: int) -> None:
    """Interval phase, WKST, BYSETPOS, short months, leap years and weekday prefixes, as they fall."""
    for seed in range(block * 100, block * 100 + 100):
        compare(seed)


@given(seed=st.integers(min_value=10_000, max_value=2**40))
@settings(deadline=None)
def test_any_seeded_rule_equals_dateutil(seed: int) -> None:
    """The same comparison on rules that hypothesis picks; more of them in the ci profile."""
    compare(seed)


@given(seed=st.integers(min_value=0, max_value=2**40), count=st.integers(min_value=1, max_value=120))
@settings(deadline=None, max_examples=60)
def test_count_ends_a_rule_where_dateutil_ends_it(seed: int, count: int) -> None:
    """COUNT, turned into an instant when the rule is made, ends it at the same occurrence."""
    text, since, until = a_rule(random.Random(seed))
    wanted = expected(text, since, until)
    if len(wanted) < count:
        return
    rule = parse(since=since.replace(tzinfo=UTC), rrule=f"{text};COUNT={count}")
    assert rule.last == wanted[count - 1]
    assert rule.after(wanted[count - 1]) is None
    assert rule.next(since.replace(tzinfo=UTC) - timedelta(1), count + 1) == wanted[:count]


UNITS = {"YEARLY": "years", "MONTHLY": "mo", "WEEKLY": "Weeks", "DAILY": "d", "HOURLY": "h", "MINUTELY": "min"}


@given(
    freq=st.sampled_from(sorted(UNITS)),
    interval=st.integers(min_value=1, max_value=9),
    days=st.lists(st.sampled_from(DAYS), max_size=4, unique=True),
    prefixes=st.lists(st.tuples(st.sampled_from(["1", "2", "3", "4", "L-"]), st.sampled_from(DAYS)), max_size=3),
    count=st.none() | st.integers(min_value=1, max_value=40),
    offset=st.integers(min_value=0, max_value=40 * 365 * 1440),
)
@settings(deadline=None)
def test_words_mean_the_union_that_dateutil_gives(
    freq: str, interval: int, days: list[str], prefixes: list[tuple[str, str]], count: int | None, offset: int
) -> None:
    """`2 weeks` with weekdays, and each prefixed weekday as a set of its own, merged, without repeats, then counted."""
    if freq not in ("YEARLY", "MONTHLY"):
        prefixes = []
    if (
        freq == "DAILY" and interval == 7
    ):  # the same day each week: most weekdays never come, which dateutil searches for
        days = []
    since = datetime(2000, 1, 1) + timedelta(minutes=offset)
    window = since + SPANS[freq]
    base = f"FREQ={freq};INTERVAL={interval};WKST=MO"
    rules = [f"{base};BYDAY={','.join(days)}"] if days else []
    rules += [f"{base};BYDAY={'-1' if n == 'L-' else n}{day}" for n, day in prefixes]
    found: set[datetime] = set()
    most = 500
    for text in rules or [base]:
        some_of_it = expected(text, since, window, most)
        found.update(some_of_it)
        if len(some_of_it) == most:
            window = min(window, some_of_it[-1].replace(tzinfo=None))
    found = {moment for moment in found if moment.replace(tzinfo=None) <= window}
    wanted = sorted(found)[: count or None]
    rule = parse(
        since=since.replace(tzinfo=UTC),
        until=window.replace(tzinfo=UTC),
        recurrence=f"{interval} {UNITS[freq]}",
        weekdays=[*days, *(f"{n}{day}" for n, day in prefixes)],
        count=count,
    ) if wanted else None  # fmt: skip
    assert rule is None or rule.next(since.replace(tzinfo=UTC) - timedelta(1), len(wanted) + 1) == wanted
