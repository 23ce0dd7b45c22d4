"""A schedule's whole rule: patterns, extra and excluded instants, bounds; and the questions asked of it.

A `Rule` is made by `scheduler.recurrence.parse`, or by `Rule.load` from what `Rule.dump` gave: loading does no search,
so that a poll pays microseconds for it. All instants in and out are aware UTC datetimes; occurrences are whole seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from scheduler.recurrence.expand import HORIZON, Parts, Pattern
from scheduler.recurrence.zones import DAY, MAX_INSTANT, MIN_INSTANT, Zone, to_datetime, to_seconds, zone

EXCLUDED_STEPS = 5_000  # occurrences in a row that exclusions may remove before the search gives up
COUNTED_STEPS = 10_000  # occurrences that a count of missed ones walks over before it only says "at least"
_FORMAT = 1


class Exclusion:
    """The repeating events of an exclusion calendar: occurrences inside them do not exist.

    Args:
        starts: the rule of the events' starts.
        length: the length in seconds, or in local days when `whole_days`.
        whole_days: the event is a DATE event: it covers local days.
    """

    __slots__ = ("_zone", "length", "starts", "whole_days")

    def __init__(self, starts: Rule, length: int, *, whole_days: bool) -> None:
        self.starts = starts
        self.length = length
        self.whole_days = whole_days
        self._zone = zone(starts.timezone)

    def end_around(self, instant: int) -> int | None:
        """Return the end (exclusive) of an event that holds `instant`, None when there is none."""
        back = (self.length + 2) * DAY if self.whole_days else self.length
        end: int | None = None
        start = self.starts.next_seconds(instant - back)
        while start is not None and start <= instant:
            stop = start + self.length
            if self.whole_days:
                stop = self._zone.to_instant(self._zone.to_wall(start) + self.length * DAY)
            if stop > instant:
                end = stop if end is None else max(end, stop)
            start = self.starts.next_seconds(start)
        return end


class Rule:
    """The set of a schedule's occurrences. Immutable.

    Attributes:
        timezone: the IANA name of the zone it is expanded in.
        rule: the rule as the schedule shows it: ``{"recurrence", "count", "weekdays"}`` or ``{"rrule"}``.
    """

    __slots__ = (
        "_end",
        "_excluded",
        "_exclusions",
        "_expatterns",
        "_extra",
        "_patterns",
        "_since",
        "_spans",
        "_stored",
        "_zone",
        "rule",
        "timezone",
    )

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored
        self._zone: Zone = zone(stored["tz"])
        self.timezone: str = stored["tz"]
        self.rule: dict[str, Any] = dict(stored["rule"])
        self._since: int = stored.get("since", MIN_INSTANT)
        self._end: int = stored.get("end", MAX_INSTANT)
        self._patterns = [_load_pattern(item, self._zone) for item in stored.get("p", ())]
        self._expatterns = [_load_pattern(item, self._zone) for item in stored.get("xp", ())]
        self._extra: list[int] = stored.get("rd", [])
        self._excluded: frozenset[int] = frozenset(stored.get("xd", ()))
        self._spans: list[list[int]] = stored.get("spans", [])
        self._exclusions = [
            Exclusion(Rule(item["starts"]), item["length"], whole_days=item["days"]) for item in stored.get("cal", ())
        ]

    def dump(self) -> dict[str, Any]:
        """Return the compiled rule for JSON; `load` gives it back without any search."""
        return dict(self._stored)

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Rule:
        """Return the rule that `dump` described.

        Raises:
            ValueError: the data are not a dumped rule, or of an unknown format.
        """
        try:
            if stored["v"] != _FORMAT:
                raise ValueError(f"a stored rule of format {stored['v']} cannot be read")
            return cls(stored)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"not a stored rule: {error!r}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and dict(self._stored) == dict(other._stored)

    def __hash__(self) -> int:
        return hash((self.timezone, self._since, self._end))

    def __repr__(self) -> str:
        return f"Rule({self.rule!r}, timezone={self.timezone!r})"

    @property
    def since(self) -> datetime:
        """The earliest instant an occurrence may have."""
        return to_datetime(self._since)

    @property
    def excluding(self) -> bool:
        """Whether anything is taken out of the rule: dates, rules, spans or calendars."""
        return bool(self._excluded or self._expatterns or self._spans or self._exclusions)

    @property
    def end(self) -> datetime | None:
        """The latest instant an occurrence may have, by `until` or by what `count` came to; None when endless."""
        return to_datetime(self._end) if self._end < MAX_INSTANT else None

    # -- one occurrence -----------------------------------------------------------------------------------------

    def next_seconds(self, instant: int) -> int | None:
        """`after` in seconds since the epoch."""
        instant = max(instant, self._since - 1)
        patterns = self._patterns
        filtered = self._excluded or self._expatterns or self._spans or self._exclusions
        limit = max(instant, self._since) + HORIZON if filtered else MAX_INSTANT
        for _ in range(EXCLUDED_STEPS):
            found: int | None = None
            if len(patterns) == 1 and not self._extra:
                found = patterns[0].after(instant)
            else:
                for pattern in patterns:
                    candidate = pattern.after(instant)
                    if candidate is not None and (found is None or candidate < found):
                        found = candidate
                position = bisect_right(self._extra, instant)
                if position < len(self._extra) and (found is None or self._extra[position] < found):
                    found = self._extra[position]
            if found is None or found > self._end or found > limit:
                return None
            if not filtered:
                return found
            resume = self._excluded_until(found)
            if resume is None:
                return found
            instant = resume
        return None

    def _excluded_until(self, instant: int) -> int | None:
        """Return None when `instant` stands, else the last instant that the same exclusion removes."""
        if instant in self._excluded:
            return instant
        for pattern in self._expatterns:
            if pattern.after(instant - 1) == instant:
                return instant
        if self._spans:
            position = bisect_right(self._spans, instant, key=lambda span: span[0]) - 1
            if position >= 0 and instant < self._spans[position][1]:
                return self._spans[position][1] - 1
        for exclusion in self._exclusions:
            end = exclusion.end_around(instant)
            if end is not None:
                return end - 1
        return None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first occurrence strictly after `moment`; None when there is none within a hundred years of it."""
        found = self.next_seconds(to_seconds(moment))
        return None if found is None else to_datetime(found)

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        """Return the last occurrence in ``start <= t <= end``, None when there is none.

        Costs some twenty looks, whatever the number of occurrences between.
        """
        found = self._latest(_ceiling(start), to_seconds(end))
        return None if found is None else to_datetime(found)

    def _latest(self, start: int, end: int) -> int | None:
        low = self.next_seconds(start - 1)
        if low is None or low > end:
            return None
        stride, high = 60, end
        # come from the end in doubling strides, then halve: after(x) <= end holds up to the one before the last
        while end - stride > low:
            found = self.next_seconds(end - stride)
            if found is not None and found <= end:
                low = found
                break
            high = end - stride
            stride *= 4
        while low < high:
            middle = (low + high) // 2
            found = self.next_seconds(middle)
            if found is not None and found <= end:
                low = found
            elif middle == low:
                break
            else:
                high = middle
        return low

    @property
    def last(self) -> datetime | None:
        """The last occurrence of a rule that ends, None when it does not end (or has none)."""
        ends = [self._end, *(pattern.end for pattern in self._patterns if pattern.end is not None)]
        if any(pattern.end is None for pattern in self._patterns) and self._end >= MAX_INSTANT:
            return None
        end = min(self._end, max([*ends[1:], *self._extra], default=self._end))
        found = self._latest(self._since, end)
        return None if found is None else to_datetime(found)

    # -- many occurrences ---------------------------------------------------------------------------------------

    def stream(self, instant: int) -> Iterator[int]:
        """Yield all occurrences after `instant` in order."""
        instant = max(instant, self._since - 1)
        if len(self._patterns) == 1 and not (
            self._extra or self._excluded or self._expatterns or self._spans or self._exclusions
        ):
            yield from _pattern_stream(self._patterns[0], instant, self._end)
            return
        found = self.next_seconds(instant)
        while found is not None:
            yield found
            found = self.next_seconds(found)

    def between(self, start: datetime, end: datetime) -> list[datetime]:
        """Return the occurrences in ``start <= t <= end``, in order, each once."""
        stop = to_seconds(end)
        result = []
        for instant in self.stream(_ceiling(start) - 1):
            if instant > stop:
                break
            result.append(to_datetime(instant))
        return result

    def next(self, moment: datetime, count: int) -> list[datetime]:
        """Return up to `count` occurrences after `moment`."""
        return [to_datetime(instant) for instant in self._take(moment, count)]

    def _take(self, moment: datetime, count: int) -> list[int]:
        return list(islice(self.stream(to_seconds(moment)), max(count, 0)))

    def next_texts(self, moment: datetime, count: int = 1000) -> list[str]:
        """Return up to `count` occurrences after `moment` as ``YYYY-MM-DD HH:MM:SS`` in UTC.

        This is `all_next_occurrences` of the REST contract; days and times are formatted once each.
        """
        texts = []
        for instant in self._take(moment, count):
            day, second = divmod(instant, DAY)
            day_text = _DAY_TEXTS.get(day) or _day_text(day)
            texts.append(day_text + (_TIME_TEXTS.get(second) or _time_text(second)))
        return texts

    def count(self, start: datetime, end: datetime, *, limit: int = COUNTED_STEPS) -> tuple[int, bool]:
        """Return the number of occurrences in ``start <= t <= end``, and whether that is exact.

        A plain interval is counted by arithmetic, any other rule by walking at most `limit` occurrences; beyond them
        the number means "at least".
        """
        begin, stop = max(_ceiling(start), self._since), min(to_seconds(end), self._end)
        if stop < begin:
            return 0, True
        if len(self._patterns) == 1 and not (
            self._extra or self._excluded or self._expatterns or self._spans or self._exclusions
        ):
            pattern = self._patterns[0]
            step = pattern.plain_step
            if step is not None and (not pattern.calendar or self._zone.fixed is not None):
                first = pattern.after(begin - 1)
                stop = stop if pattern.end is None else min(stop, pattern.end)
                return (0 if first is None or first > stop else (stop - first) // step + 1), True
        number = 0
        for instant in self.stream(begin - 1):
            if instant > stop:
                return number, True
            if number >= limit:
                return number, False
            number += 1
        return number, True


def _ceiling(moment: datetime) -> int:
    """Return the first whole second that is not before `moment`; occurrences are whole seconds."""
    return to_seconds(moment) + (1 if moment.microsecond else 0)


_TIME_TEXTS: dict[int, str] = {}
_DAY_TEXTS: dict[int, str] = {}
_DAYS_KEPT = 40_000  # a century of days: schedules of a list mostly share theirs


def _time_text(second: int) -> str:
    text = f" {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    _TIME_TEXTS[second] = text
    return text


def _day_text(day: int) -> str:
    if len(_DAY_TEXTS) >= _DAYS_KEPT:
        _DAY_TEXTS.clear()
    text = date.fromordinal(day + 719163).isoformat()
    _DAY_TEXTS[day] = text
    return text


def _load_pattern(item: Mapping[str, Any], where: Zone) -> Pattern:
    return Pattern(Parts.load(item["parts"]), item["wall"], where, instant=item["at"], end=item.get("end"))


def dump_pattern(pattern: Pattern) -> dict[str, Any]:
    """Return what `_load_pattern` reads."""
    item: dict[str, Any] = {"parts": pattern.parts.dump(), "wall": pattern.wall, "at": pattern.instant}
    if pattern.end is not None:
        item["end"] = pattern.end
    return item


def _pattern_stream(pattern: Pattern, instant: int, end: int) -> Iterator[int]:
    """Yield the occurrences of one pattern after `instant` up to `end`, in bulk where no clock change is near."""
    if pattern.end is not None:
        end = min(end, pattern.end)
    if not pattern.calendar and pattern.plain_step is not None:
        first = pattern.after(instant)
        if first is not None:
            yield from range(first, min(end, first + HORIZON) + 1, pattern.plain_step)
        return
    where = pattern.zone
    if pattern.calendar and where.fixed is not None:
        for wall in pattern.walls(instant + where.fixed):
            if wall - where.fixed > end:
                return
            yield wall - where.fixed
        return
    found = pattern.after(instant)
    while found is not None and found <= end:
        yield found
        instant = found
        if pattern.calendar:
            segment = where.segment(instant)
            if instant > segment.start + 2 * DAY:
                offset = segment.offset
                stop = min(segment.end + offset, end + offset + 1)
                for wall in pattern.walls(instant + offset):
                    if wall >= stop:
                        break
                    instant = wall - offset
                    yield instant
        found = pattern.after(instant)


def utc_text(moment: datetime) -> str:
    """Return an instant as the REST contract writes it: ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
