"""Which days a rule's day parts allow: BYMONTH, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYDAY, BYEASTER.

Days are counted from 1970-01-01. The months are expanded one at a time and kept, so that asking for the next allowed
day costs a look-up or one month's expansion, whatever the distance from the rule's anchor. All parts restrict (as in
python-dateutil, which Cloudify expands with): a plain and a prefixed BYDAY in one RRULE must both hold.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import isleap, monthrange
from collections.abc import Sequence
from datetime import date

from dateutil.easter import easter

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_KEPT_MONTHS = 512
_LAST_DAY = date.max.toordinal() - _EPOCH_ORDINAL
LAST_MONTH = 9999 * 12 + 11


def date_of(day: int) -> date:
    """Return the calendar date of a day number."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


def month_of(day: int) -> int:
    """Return the month number (year·12 + month − 1) of a day number."""
    moment = date.fromordinal(day + _EPOCH_ORDINAL)
    return moment.year * 12 + moment.month - 1


class DayFilter:
    """The day parts of one RRULE. Immutable but for its memory of expanded months."""

    __slots__ = (
        "_months",
        "_simple",
        "_years",
        "byeaster",
        "bymonth",
        "bymonthday",
        "byweekno",
        "byyearday",
        "nth",
        "nth_in_year",
        "weekdays",
        "weekdays_only",
        "wkst",
    )  # fmt: skip

    def __init__(
        self,
        *,
        bymonth: Sequence[int] = (),
        bymonthday: Sequence[int] = (),
        byyearday: Sequence[int] = (),
        byweekno: Sequence[int] = (),
        byeaster: Sequence[int] = (),
        weekdays: Sequence[int] = (),
        nth: Sequence[tuple[int, int]] = (),
        nth_in_year: bool = False,
        wkst: int = 0,
    ) -> None:
        self.bymonth = frozenset(bymonth)
        self._simple = not (bymonthday or byyearday or byweekno or byeaster or nth_in_year or (weekdays and nth))
        self.bymonthday = tuple(bymonthday)
        self.byyearday = tuple(byyearday)
        self.byweekno = frozenset(byweekno)
        self.byeaster = tuple(byeaster)
        self.weekdays = frozenset(weekdays)
        self.nth = tuple(nth)
        self.nth_in_year = nth_in_year
        self.wkst = wkst
        self.weekdays_only = bool(weekdays) and not (
            bymonth or bymonthday or byyearday or byweekno or byeaster or self.nth
        )
        self._months: dict[int, tuple[int, ...]] = {}
        self._years: dict[int, frozenset[int]] = {}

    def month(self, number: int) -> tuple[int, ...]:
        """Return the allowed days of a month, ascending."""
        if self.bymonth and number % 12 + 1 not in self.bymonth:
            return ()
        known = self._months.get(number)
        if known is None:
            if len(self._months) >= _KEPT_MONTHS:
                self._months.clear()
            known = self._months[number] = self._expand(number)
        return known

    def _expand(self, number: int) -> tuple[int, ...]:
        year, month = divmod(number, 12)
        month += 1
        first = date(year, month, 1).toordinal() - _EPOCH_ORDINAL
        weekday = (first + 3) % 7
        length = monthrange(year, month)[1]
        days: Sequence[int]
        if self._simple and self.nth:
            return tuple(self._positions(first, length))
        if self._simple and self.weekdays:
            wanted = self.weekdays
            return tuple(day for day in range(first, first + length) if (day + 3) % 7 in wanted)
        if self.bymonthday:
            days = sorted(
                {first + n - 1 if n > 0 else first + length + n for n in self.bymonthday if -length <= n <= length}
            )
        elif self.nth and not self.nth_in_year:
            days = self._positions(first, length)
        elif self.weekdays:
            days = sorted(
                day for wanted in self.weekdays for day in range(first + (wanted - weekday) % 7, first + length, 7)
            )
        else:
            days = range(first, first + length)
        if self.weekdays:
            days = [day for day in days if (day + 3) % 7 in self.weekdays]
        if self.nth and self.bymonthday and not self.nth_in_year:
            allowed = self._positions(first, length)
            days = [day for day in days if day in allowed]
        if self.byyearday or self.byweekno or self.byeaster or self.nth_in_year:
            of_year = self._year(year)
            days = [day for day in days if day in of_year]
        return tuple(days)

    def _positions(self, first: int, length: int) -> list[int]:
        """Return the days of ``nth`` within the span of `length` days from `first`."""
        if len(self.nth) == 1 and self.nth[0][1] > 0:
            wanted, position = self.nth[0]
            day = first + (wanted - first - 3) % 7 + (position - 1) * 7
            return [day] if day < first + length else []
        found = set()
        weekday = (first + 3) % 7
        last = first + length - 1
        for wanted, position in self.nth:
            if position > 0:
                day = first + (wanted - weekday) % 7 + (position - 1) * 7
            else:
                day = last - ((last + 3) % 7 - wanted) % 7 + (position + 1) * 7
            if first <= day <= last:
                found.add(day)
        return sorted(found)

    def _year(self, year: int) -> frozenset[int]:
        """Return the days of a year that BYYEARDAY, BYWEEKNO, BYEASTER and a yearly prefixed BYDAY all allow."""
        known = self._years.get(year)
        if known is not None:
            return known
        first = date(year, 1, 1).toordinal() - _EPOCH_ORDINAL
        length = 366 if isleap(year) else 365
        sets: list[set[int]] = []
        if self.byyearday:
            sets.append(
                {first + n - 1 if n > 0 else first + length + n for n in self.byyearday if -length <= n <= length}
            )
        if self.byweekno:
            sets.append(self._week_days(year, first, length))
        if self.byeaster:
            sunday = easter(year).toordinal() - _EPOCH_ORDINAL
            sets.append({sunday + n for n in self.byeaster})
        if self.nth_in_year:
            sets.append(set(self._positions(first, length)))
        if len(self._years) >= _KEPT_MONTHS:
            self._years.clear()
        result = self._years[year] = frozenset(set.intersection(*sets))
        return result

    def _week_days(self, year: int, first: int, length: int) -> set[int]:
        """Return the days of BYWEEKNO's weeks that lie in the year, with python-dateutil's view of its edges."""
        begin = (self.wkst - (first + 3)) % 7
        if begin >= 4:
            begin -= 7  # the first week begins in the old year
        weeks, rest = divmod(length - begin, 7)
        weeks += rest // 4
        found: set[int] = set()
        for number in self.byweekno:
            week = number if number > 0 else number + weeks + 1
            if 0 < week <= weeks:
                found.update(range(first + begin + (week - 1) * 7, first + begin + week * 7))
        if 1 in self.byweekno:
            found.update(range(first + begin + weeks * 7, first + length))
        if begin > 0 and self._old_last_week(year, length, begin) & self.byweekno:
            found.update(range(first, first + begin))
        return {day for day in found if first <= day < first + length}

    def _old_last_week(self, year: int, length: int, begin: int) -> set[int]:
        """Return the numbers that mean the old year's last week: −1, and the one python-dateutil computes for it."""
        if -1 in self.byweekno:
            return {-1}
        weekday = date(year - 1, 1, 1).weekday() if year > 1 else 0
        old_begin = (self.wkst - weekday) % 7
        if old_begin >= 4:
            old_length = 366 if isleap(year - 1) else 365
            return {52 + (old_length + (weekday - self.wkst) % 7) % 7 // 4}
        return {52 + (length - begin) % 7 // 4}

    def next_day(self, day: int, last: int) -> int | None:
        """Return the first allowed day from `day` on, None when there is none up to `last`."""
        if self.weekdays_only:
            while (day + 3) % 7 not in self.weekdays:
                day += 1
            return day if day <= last else None
        month = month_of(day)
        stop = min(LAST_MONTH, month_of(min(last, _LAST_DAY)))
        while month <= stop:
            days = self.month(month)
            if days and days[-1] >= day:
                found = days[bisect_left(days, day)]
                return found if found <= last else None
            month += 1
        return None

    def allows(self, day: int) -> bool:
        """Tell whether `day` is allowed."""
        if self.weekdays_only:
            return (day + 3) % 7 in self.weekdays
        return day in self.month(month_of(day))
