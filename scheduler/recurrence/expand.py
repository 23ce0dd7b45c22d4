"""The jumping expansion of one RRULE: the next instant after any other, whatever the age of the rule.

Nothing here walks from the anchor. A calendar rule (daily and longer) finds the period its target lies in by arithmetic
that keeps the interval's phase, and expands that one period in wall time. A sub-daily rule counts elapsed time from the
anchor and jumps over the local days, hours and minutes that its BY-parts forbid. Every search has a budget of steps and
a horizon (scheduling.md §2.3); python-dateutil is the oracle in the tests.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import gcd
from typing import Any

from scheduler.recurrence.days import LAST_MONTH, DayFilter, date_of, month_of
from scheduler.recurrence.grammar import DAILY, HOURLY, MINUTELY, MONTHLY, SECONDLY, WEEKLY, YEARLY
from scheduler.recurrence.zones import DAY, MAX_INSTANT, Segment, Zone

HORIZON = 36525 * DAY  # a hundred years past the target
STEPS = 20_000
_PATIENCE = 48  # jumps before a sub-daily search computes which of its steps can ever hold
_UNIT = {HOURLY: 3600, MINUTELY: 60, SECONDLY: 1}
LAST_DAY = MAX_INSTANT // DAY


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one RRULE, validated; what `Pattern` is made of and what is stored."""

    freq: int
    interval: int = 1
    wkst: int = 0
    bymonth: tuple[int, ...] = ()
    bymonthday: tuple[int, ...] = ()
    byyearday: tuple[int, ...] = ()
    byweekno: tuple[int, ...] = ()
    byeaster: tuple[int, ...] = ()
    byday: tuple[tuple[int, int], ...] = ()
    byhour: tuple[int, ...] = ()
    byminute: tuple[int, ...] = ()
    bysecond: tuple[int, ...] = ()
    bysetpos: tuple[int, ...] = ()

    def dump(self) -> dict[str, Any]:
        """Return the parts that differ from their defaults, for JSON."""
        return {
            name: [list(item) if isinstance(item, tuple) else item for item in value]
            if isinstance(value, tuple)
            else value
            for name in self.__slots__
            if (value := getattr(self, name)) or name == "freq"
        }

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Parts:
        """Return what `dump` was made of."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
        }
        if "byday" in values:
            values["byday"] = tuple(tuple(pair) for pair in values["byday"])
        return cls(**values)


class Pattern:
    """One RRULE bound to its anchor and zone. Immutable but for its memory of expansions.

    Args:
        parts: the rule's parts.
        wall: the anchor's wall time in the zone.
        zone: where wall times mean something.
        instant: the anchor's instant; by default that of `wall`.
        end: the last instant an occurrence may have (UNTIL, or what COUNT came to), None for none.
    """

    def __init__(self, parts: Parts, wall: int, zone: Zone, *, instant: int | None = None, end: int | None = None):
        self.parts = parts
        self.wall = wall
        self.zone = zone
        self.instant = zone.to_instant(wall) if instant is None else instant
        self.end = end
        self.freq = parts.freq
        self.interval = parts.interval
        self.days = self._day_filter()
        self._residues: dict[int, list[int] | None] = {}
        self._hopeless = bool(parts.bysetpos) and min(map(abs, parts.bysetpos)) > self._largest_set()

    def _day_filter(self) -> DayFilter | None:
        """Return the filter of days, with the day parts RFC 5545 takes from the anchor filled in."""
        parts, freq = self.parts, self.freq
        bymonth, bymonthday, byday = parts.bymonth, parts.bymonthday, parts.byday
        if freq <= WEEKLY and not (
            parts.byweekno or parts.byyearday or parts.bymonthday or parts.byday or parts.byeaster
        ):
            anchor = date_of(self.wall // DAY)
            if freq == YEARLY:
                bymonth = bymonth or (anchor.month,)
                bymonthday = (anchor.day,)
            elif freq == MONTHLY:
                bymonthday = (anchor.day,)
            elif freq == WEEKLY:
                byday = ((anchor.weekday(), 0),)
        nth = tuple(pair for pair in byday if pair[1]) if freq <= MONTHLY else ()
        plain = tuple(day for day, position in byday if not position or freq > MONTHLY)
        if not (bymonth or bymonthday or parts.byyearday or parts.byweekno or parts.byeaster or byday):
            return None
        return DayFilter(
            bymonth=bymonth,
            bymonthday=bymonthday,
            byyearday=parts.byyearday,
            byweekno=parts.byweekno,
            byeaster=parts.byeaster,
            weekdays=plain,
            nth=nth,
            nth_in_year=bool(nth) and freq == YEARLY and not bymonth,
            wkst=parts.wkst,
        )

    def _largest_set(self) -> int:
        """Return how many occurrences one period can have at most; a BYSETPOS beyond that never holds."""
        if self.freq > DAILY:
            return len(self._within)
        return len(self.times) * {DAILY: 1, WEEKLY: 7, MONTHLY: 31, YEARLY: 366}[self.freq]

    @property
    def calendar(self) -> bool:
        """Whether the rule lives in wall time (daily and longer); otherwise it counts elapsed time."""
        return self.freq <= DAILY

    @cached_property
    def plain_step(self) -> int | None:
        """The seconds between two occurrences when the rule is nothing but an interval, else None.

        In wall time for a calendar rule, elapsed for the others.
        """
        parts = self.parts
        if parts.byhour or parts.byminute or parts.bysecond or parts.bysetpos:
            return None
        if self.freq == WEEKLY and not (parts.byday or parts.bymonth or parts.bymonthday or parts.byyearday):
            return None if parts.byweekno or parts.byeaster else 7 * DAY * self.interval
        if self.freq < DAILY or self.days is not None:
            return None
        return self.interval * (DAY if self.freq == DAILY else _UNIT[self.freq])

    # -- wall time: daily and longer ------------------------------------------------------------------------------

    @cached_property
    def times(self) -> tuple[int, ...]:
        """The seconds of the day a calendar rule runs at, ascending."""
        hour, rest = divmod(self.wall % DAY, 3600)
        minute, second = divmod(rest, 60)
        parts = self.parts
        if not (parts.byhour or parts.byminute or parts.bysecond):
            return (self.wall % DAY,)
        hours, minutes = parts.byhour or (hour,), parts.byminute or (minute,)
        return tuple(
            sorted({h * 3600 + m * 60 + s for h, m, s in product(hours, minutes, parts.bysecond or (second,))})
        )

    def next_wall(self, wall: int) -> int | None:
        """Return the first wall time after `wall`, of a calendar rule; None when there is none within the horizon."""
        step = self.plain_step
        anchor = self.wall
        if step is not None:
            found = anchor if wall < anchor else anchor + ((wall - anchor) // step + 1) * step
            return found if found <= max(wall, anchor) + HORIZON and found <= MAX_INSTANT else None
        wall = max(wall, anchor - 1)
        day, second = divmod(wall, DAY)
        times = self.times
        if second >= times[-1]:
            day += 1
            second = -1
        last = min(day + 36525, LAST_DAY)
        if self.parts.bysetpos:
            return self._next_position(wall, day, last)
        found_day = self._next_day(day, last)
        if found_day is None:
            return None
        if found_day > day:
            second = -1
        return found_day * DAY + times[bisect_right(times, second)]

    def _next_day(self, day: int, last: int) -> int | None:
        """Return the first day of the rule from `day` on, up to `last`, honouring the interval's phase."""
        freq, interval, days = self.freq, self.interval, self.days
        first = self.wall // DAY
        if freq in (MONTHLY, YEARLY):
            return self._next_day_in_months(day, last)
        if days is None:
            return day + (first - day) % interval
        if freq == DAILY:
            for _ in range(STEPS):
                day += (first - day) % interval
                allowed = days.next_day(day, last)
                if allowed is None or allowed == day:
                    return allowed
                day = allowed
            return None
        begin = first - (first + 3 - self.parts.wkst) % 7
        for _ in range(STEPS):
            allowed = days.next_day(day, last)
            if allowed is None:
                return None
            late = (allowed - begin) // 7 % interval
            if not late:
                return allowed
            day = begin + ((allowed - begin) // 7 + interval - late) * 7
        return None

    def _next_day_in_months(self, day: int, last: int) -> int | None:
        days, interval = self.days, self.interval
        assert days is not None
        month, anchor = month_of(day), month_of(self.wall // DAY)
        stop = min(month_of(last), LAST_MONTH)
        yearly = self.freq == YEARLY
        while month <= stop:
            if yearly:
                late = (month // 12 - anchor // 12) % interval
                if late:
                    month = (month // 12 + interval - late) * 12
                    continue
            else:
                late = (month - anchor) % interval
                if late:
                    month += interval - late
                    continue
            found = days.month(month)
            if found and found[-1] >= day:
                return found[bisect_left(found, day)]
            month += 1
        return None

    def _next_position(self, wall: int, day: int, last: int) -> int | None:
        """`next_wall` with BYSETPOS: expand whole periods and pick from them."""
        for period in self._periods(day, last):
            walls = self._pick(period)
            if walls and walls[-1] > wall:
                return walls[bisect_right(walls, wall)]
        return None

    def _periods(self, day: int, last: int) -> Iterator[Sequence[int]]:
        """Yield the days of each period of the rule that may reach `day`, empty ones skipped within the budget."""
        freq, interval, days = self.freq, self.interval, self.days
        first = self.wall // DAY
        if freq >= WEEKLY:
            found: int | None = max(day, first)
            if freq == WEEKLY:  # the days before `day` in its week belong to its set too
                found = max(first, day - (day + 3 - self.parts.wkst) % 7)
            for _ in range(STEPS):
                assert found is not None
                found = self._next_day(found, last)
                if found is None:
                    return
                if freq == DAILY:
                    yield (found,)
                    found += 1
                    continue
                stop = found + 7 - (found + 3 - self.parts.wkst) % 7
                assert days is not None
                yield [d for d in range(found, stop) if d >= first and days.allows(d)]
                found = stop
            return
        assert days is not None
        anchor = month_of(first)
        if freq == MONTHLY:
            month = month_of(day)
            month += (anchor - month) % interval
            while month <= min(month_of(last), LAST_MONTH):
                yield days.month(month)
                month += interval
            return
        year = month_of(day) // 12
        year += (anchor // 12 - year) % interval
        while year <= month_of(last) // 12:
            yield [d for month in range(year * 12, year * 12 + 12) for d in days.month(month)]
            year += interval

    def _pick(self, days: Sequence[int]) -> list[int]:
        """Return the walls that BYSETPOS picks from the period of these days, from the anchor on."""
        times, count = self.times, len(self.times)
        total = len(days) * count
        found = set()
        for position in self.parts.bysetpos:
            index = position - 1 if position > 0 else total + position
            if 0 <= index < total:
                found.add(days[index // count] * DAY + times[index % count])
        return sorted(wall for wall in found if wall >= self.wall)

    def walls(self, wall: int) -> Iterator[int]:  # noqa: PLR0912 - one generator: calls between them would cost
        """Yield the wall times after `wall` in order, up to the horizon; cheaper than asking one by one."""
        step = self.plain_step
        if step is not None:
            first = self.next_wall(wall)
            if first is not None:
                yield from range(first, min(first + HORIZON, MAX_INSTANT), step)
            return
        wall = max(wall, self.wall - 1)
        day: int | None = wall // DAY
        assert day is not None
        last = min(day + 36525, LAST_DAY)
        times = self.times
        if self.parts.bysetpos or self.freq <= MONTHLY:
            for period in self._periods(day, last):
                if self.parts.bysetpos:
                    walls = self._pick(period)
                else:
                    walls = [day * DAY + time for day in period for time in times]
                if walls and walls[0] <= wall:
                    walls = walls[bisect_right(walls, wall) :]
                yield from walls
            return
        while True:
            day = self._next_day(day, last)
            if day is None:
                return
            base = day * DAY
            if base > wall:
                for time in times:
                    yield base + time
            else:
                for time in times:
                    if base + time > wall:
                        yield base + time
            day += 1

    # -- elapsed time: hourly and shorter ------------------------------------------------------------------------

    @cached_property
    def _within(self) -> tuple[int, ...]:
        """The seconds of a period (an hour, a minute, a second) that a sub-daily rule runs at, ascending."""
        parts, unit = self.parts, _UNIT[self.freq]
        rest = self.wall % unit
        if self.freq == HOURLY and (parts.byminute or parts.bysecond):
            minutes, seconds = parts.byminute or (rest // 60,), parts.bysecond or (rest % 60,)
            return tuple(sorted({m * 60 + s for m, s in product(minutes, seconds)}))
        if self.freq == MINUTELY and parts.bysecond:
            return tuple(sorted(set(parts.bysecond)))
        return (rest,)

    @cached_property
    def _origin(self) -> int:
        """The instant the anchor's period began."""
        return self.instant - self.wall % _UNIT[self.freq]

    @cached_property
    def _clock(self) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
        """The local hours, minutes and seconds that a period is tested against; empty means any."""
        parts = self.parts
        minutes = parts.byminute if self.freq >= MINUTELY else ()
        seconds = parts.bysecond if self.freq == SECONDLY else ()
        return frozenset(parts.byhour), frozenset(minutes), frozenset(seconds)

    def next_elapsed(self, instant: int) -> int | None:
        """Return the first instant after `instant`, of a sub-daily rule; None when there is none within the horizon."""
        step = self.plain_step
        anchor = self.instant
        if step is not None:
            found = anchor if instant < anchor else anchor + ((instant - anchor) // step + 1) * step
            return found if found <= max(instant, anchor) + HORIZON and found <= MAX_INSTANT else None
        instant = max(instant, anchor - 1)
        limit = min(instant + HORIZON, MAX_INSTANT)
        step = self.interval * _UNIT[self.freq]
        origin = self._origin
        index = max(0, (instant - origin) // step)
        for jumps in range(STEPS):
            begin = origin + index * step
            if begin > limit:
                return None
            segment = self.zone.segment(begin)
            target = self._obstacle(begin, segment, limit)
            if target is None:
                for found in self._candidates(begin, segment):
                    if found > instant:
                        return found if found <= limit else None
                index += 1
            elif target > limit:
                return None
            else:
                index += max(1, -((begin - target) // step))
            if jumps >= _PATIENCE:
                sparse = self._sparse_index(index, origin + index * step)
                if sparse is None:
                    return None
                index = sparse
        return None

    def _skewed(self, segment: Segment) -> bool:
        """Whether the offset differs from the anchor's by a part of the period (Lord Howe's half hour)."""
        return (segment.offset - (self.wall - self.instant)) % _UNIT[self.freq] != 0

    def _obstacle(self, begin: int, segment: Segment, limit: int) -> int | None:
        """Return None when the period at `begin` may run, else an instant before which no period of the rule does."""
        day, second = divmod(begin + segment.offset, DAY)
        end = segment.end
        if self.days is not None and not (self._skewed(segment) and second >= DAY - _UNIT[self.freq]):
            allowed = self.days.next_day(day, limit // DAY + 2)
            if allowed is None:
                return limit + 1
            if allowed > day:
                start = allowed * DAY - segment.offset
                # in another segment the day may begin earlier; come near it, then look again
                return start if start < end else max(end, start - DAY - 14400)
        hours, minutes, seconds = self._clock
        if not (hours or minutes or seconds) or self._skewed(segment):
            return None
        hour, rest = divmod(second, 3600)
        minute, tail = divmod(rest, 60)
        local = day * DAY
        target: int | None = None
        if hours and hour not in hours:
            following = min((h for h in hours if h > hour), default=24)
            target = local + following * 3600
        elif minutes and minute not in minutes:
            following = min((m for m in minutes if m > minute), default=60)
            target = local + hour * 3600 + following * 60
        elif seconds and tail not in seconds:
            following = min((s for s in seconds if s > tail), default=60)
            target = local + hour * 3600 + minute * 60 + following
        if target is None:
            return None
        return min(target - segment.offset, end) if end > begin else target - segment.offset

    def _candidates(self, begin: int, segment: Segment) -> list[int]:
        """Return the instants of one period that the BY-parts allow, ascending, from the anchor on."""
        unit = _UNIT[self.freq]
        within: Sequence[int] = self._within
        skew = (segment.offset - (self.wall - self.instant)) % unit
        if skew:
            if self.parts.byminute or (self.freq == MINUTELY and self.parts.bysecond):
                within = sorted((second - skew) % unit for second in within)
            found = [begin + second for second in within if self._allows_instant(begin + second)]
        else:
            found = [begin + second for second in within]
        if self.parts.bysetpos:
            total = len(found)
            picked = {p - 1 if p > 0 else total + p for p in self.parts.bysetpos}
            found = [found[index] for index in sorted(picked) if 0 <= index < total]
        return [instant for instant in found if instant >= self.instant]

    def _allows_instant(self, instant: int) -> bool:
        day, second = divmod(self.zone.to_wall(instant), DAY)
        if self.days is not None and not self.days.allows(day):
            return False
        hours, minutes, seconds = self._clock
        hour, rest = divmod(second, 3600)
        return (
            (not hours or hour in hours)
            and (not minutes or rest // 60 in minutes)
            and (not seconds or rest % 60 in seconds)
        )

    def _sparse_index(self, index: int, begin: int) -> int | None:
        """Return the first step from `index` on whose time of day can hold, by arithmetic; None when none ever does.

        A search that made many jumps uses this: steps and days share a cycle, and in it only some steps ever meet an
        allowed time of day. Where those are many, the jumps themselves are quick and `index` is returned as it is.
        """
        if begin > MAX_INSTANT:
            return None
        segment = self.zone.segment(begin)
        if self._skewed(segment):
            return index
        residues = self._allowed_steps(segment.offset)
        if residues is None:
            return index
        step = self.interval * _UNIT[self.freq]
        cycle = DAY // gcd(step, DAY)
        if not residues:
            if self.zone.fixed is not None:
                return None
            return index + max(1, -((begin - segment.end) // step))
        turns, rest = divmod(index, cycle)
        position = bisect_left(residues, rest)
        found = turns * cycle + residues[position] if position < len(residues) else (turns + 1) * cycle + residues[0]
        if self._origin + found * step >= segment.end:
            return index + max(0, -((begin - segment.end) // step))
        return found

    def _allowed_steps(self, offset: int) -> list[int] | None:
        """Return, sorted, the steps of one cycle whose local time of day is allowed; None when they are many."""
        if offset in self._residues:
            return self._residues[offset]
        unit = _UNIT[self.freq]
        step = self.interval * unit
        shared = gcd(step, DAY)
        start = (self._origin + offset) % DAY
        hours, minutes, seconds = self._clock
        hour_set = sorted(hours) if hours else range(24)
        minute_set = (sorted(minutes) if minutes else range(60)) if unit < 3600 else (start % 3600 // 60,)
        second_set = (sorted(seconds) if seconds else range(60)) if unit == 1 else (start % 60,)
        wanted = [
            time
            for hour in hour_set
            for minute in minute_set
            for second in second_set
            if ((time := hour * 3600 + minute * 60 + second) - start) % shared == 0
        ]
        result: list[int] | None = None
        if len(wanted) <= 4000:
            cycle = DAY // shared
            inverse = pow(step // shared, -1, cycle) if cycle > 1 else 0
            result = sorted((time - start) // shared * inverse % cycle for time in wanted)
        self._residues[offset] = result
        return result

    def last_by_days(self, count: int, limit: int) -> int | None:
        """Return the instant of occurrence `count` by counting whole days, where every allowed day has the same times.

        That is so for calendar rules without BYSETPOS, and for sub-daily ones whose step divides the day in a zone
        without changes. None when it is not so or takes too many days; `MAX_INSTANT` when it lies beyond `limit`.
        """
        if self.parts.bysetpos:
            return None
        first = self.wall // DAY
        times = self.times if self.calendar else self._times_of_a_day()
        if not times:
            return None
        left = count + bisect_left(times, self.wall % DAY)
        day: int | None = self._day_from(first)
        if day != first:
            left = count
        last = min(limit // DAY + 1, LAST_DAY)
        for _ in range(2 * STEPS):
            if day is None or day > last:
                return MAX_INSTANT
            if left <= len(times):
                return self.zone.to_instant(day * DAY + times[left - 1])
            left -= len(times)
            day = self._day_from(day + 1)
        return None

    def _day_from(self, day: int) -> int | None:
        if self.calendar:
            return self._next_day(day, LAST_DAY)
        return day if self.days is None else self.days.next_day(day, LAST_DAY)

    def _times_of_a_day(self) -> tuple[int, ...]:
        step = self.interval * _UNIT[self.freq]
        if self.zone.fixed is None or DAY % step:
            return ()
        hours, minutes, seconds = self._clock
        start = (self.wall - self.wall % _UNIT[self.freq]) % step
        found = []
        for begin in range(start, DAY, step):
            if (
                (not hours or begin // 3600 in hours)
                and (not minutes or begin // 60 % 60 in minutes)
                and (not seconds or begin % 60 in seconds)
            ):
                found += [begin + second for second in self._within]
        return tuple(found)

    # -- instants ----------------------------------------------------------------------------------------------

    def after(self, instant: int) -> int | None:
        """Return the first occurrence strictly after `instant`, None when there is none."""
        if self._hopeless:
            return None
        if self.freq > DAILY:
            found = self.next_elapsed(instant)
        elif self.zone.fixed is not None:
            found = self.next_wall(instant + self.zone.fixed)
            if found is not None:
                found -= self.zone.fixed
        else:
            found = self._after_in_zone(instant)
        if found is None or (self.end is not None and found > self.end):
            return None
        return found

    def _after_in_zone(self, instant: int) -> int | None:
        """`after` for wall times in a zone whose offset changes: segment by segment, gap and fold as in `zones`."""
        segment = self.zone.segment(instant)
        following: int | None = None  # the first wall time after what was looked at already
        for _ in range(STEPS):
            offset, before, start = segment.offset, segment.before, segment.start
            floor = instant + offset
            best: int | None = None
            if before > offset:  # walls of the fold ran before the change, at the first of the two
                floor = max(floor, start + before - 1)
            elif before < offset and instant < start + offset - before:
                # walls of the gap run by the offset before it, among the walls that follow the gap
                wall = self.next_wall(instant + before)
                if wall is not None and wall < start + offset:
                    best = wall - before
                floor = max(floor, start + offset - 1)
            wall = following if following is not None and following > floor else self.next_wall(floor)
            if wall is not None and wall < segment.end + offset:
                return wall - offset if best is None else min(best, wall - offset)
            if best is not None or wall is None:
                return best
            # no wall lies between floor and `wall`, so nothing can run until shortly before it
            following = wall
            instant = max(segment.end - 1, wall - 2 * DAY)
            if instant > MAX_INSTANT:
                return None
            segment = self.zone.segment(max(instant, segment.end))
        return None
