"""Instants that people write: absolute, or relative like ``+1y+1d`` (contract §6.2)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_UNITS = {
    "y": "years", "year": "years", "years": "years",
    "mo": "months", "month": "months", "months": "months",
    "w": "weeks", "week": "weeks", "weeks": "weeks",
    "d": "days", "day": "days", "days": "days",
    "h": "hours", "hour": "hours", "hours": "hours",
    "m": "minutes", "min": "minutes", "mins": "minutes", "minute": "minutes", "minutes": "minutes",
    "s": "seconds", "sec": "seconds", "secs": "seconds", "second": "seconds", "seconds": "seconds",
}  # fmt: skip
_PART = re.compile(r"\s*([+-]?\d+)\s*([a-z]+)\s*", re.IGNORECASE)
_ABSOLUTE = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def parse_utc_datetime(time_expression: str | None, timezone: str | None = None) -> datetime | None:
    """Return the naive UTC instant of an absolute or relative expression; None for nothing."""
    if not time_expression:
        return None
    if time_expression.strip().startswith("+"):
        return parse_utc_datetime_relative(time_expression)
    return parse_utc_datetime_absolute(time_expression, timezone)


def parse_utc_datetime_relative(time_expression: str | None, base_datetime: datetime | None = None) -> datetime | None:
    """Return the instant that lies by ``+4 hours`` or ``+1y+1d`` after the base, by default now."""
    if not time_expression:
        return None
    base = base_datetime if base_datetime is not None else datetime.now(UTC).replace(tzinfo=None)
    for amount, unit in unpack_timedelta_string(time_expression):
        base = _shift(base, amount, unit)
    return base.replace(second=0, microsecond=0) if base_datetime is None else base


def parse_utc_datetime_absolute(time_expression: str | None, timezone: str | None = None) -> datetime | None:
    """Return the naive UTC instant of ``2030-01-31 10:20[:30]``, read in `timezone` (UTC by default)."""
    if not time_expression:
        return None
    moment = parse_schedule_datetime_string(time_expression)
    if timezone:
        moment = moment.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC).replace(tzinfo=None)
    return moment


def parse_schedule_datetime_string(date_str: str | None) -> Any:
    """Return the naive instant that a date string names; ValueError when it names none."""
    if not date_str:
        return None
    text = date_str.strip()
    for form in _ABSOLUTE:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - authors expect a naive one
        except ValueError:
            continue
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def parse_and_apply_timedelta(expr: str, date_time: datetime) -> datetime:
    """Return `date_time` moved by the expression."""
    for amount, unit in unpack_timedelta_string(expr):
        date_time = _shift(date_time, amount, unit)
    return date_time


def unpack_timedelta_string(expr: str) -> list[tuple[int, str]]:
    """Return the (amount, unit) parts of an expression; ValueError when something else is in it."""
    parts: list[tuple[int, str]] = []
    position = 0
    while position < len(expr):
        match = _PART.match(expr, position)
        if not match or match[2].lower() not in _UNITS:
            raise ValueError(f"{expr} is not a legal time delta")
        parts.append((int(match[1]), _UNITS[match[2].lower()]))
        position = match.end()
    if not parts:
        raise ValueError(f"{expr} is not a legal time delta")
    return parts


def _shift(moment: datetime, amount: int, unit: str) -> datetime:
    if unit not in ("years", "months"):
        return moment + timedelta(**{unit: amount})
    months = moment.year * 12 + moment.month - 1 + amount * (12 if unit == "years" else 1)
    year, month = divmod(months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
