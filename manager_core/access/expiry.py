"""When a token ends, from the text a user gives (REST contract §4.1). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from dateutil.relativedelta import relativedelta

from manager_core.errors import BadParameters

_STEP = re.compile(r"\+\s?(\d{1,6})\s?(min(?:ute)?|h(?:our)?|d(?:ay)?|w(?:eek)?|mo(?:nth)?|y(?:ear)?)s?\s?")
_UNITS = {"mi": "minutes", "h": "hours", "d": "days", "w": "weeks", "mo": "months", "y": "years"}


def parse_expiration(text: str, now: datetime) -> datetime:
    """Return the instant a text names: `+1day+10min`, `YYYY-MM-DD HH:MM`, `HH:MM` (of today); UTC unless it says else.

    Raises:
        BadParameters: it is neither, or the instant is past.
    """
    moment = _relative(text, now) if text.startswith("+") else _absolute(text, now)
    if moment <= now:
        raise BadParameters("Expiration date was in the past.")
    return moment


def _relative(text: str, now: datetime) -> datetime:
    place, moment = 0, now
    while place < len(text):
        step = _STEP.match(text, place)
        if step is None:
            raise BadParameters(f"{text} is not a legal time delta")
        number, unit = step.groups()
        try:
            moment += relativedelta(**{_UNITS[unit[:2] if unit.startswith("m") else unit[0]]: int(number)})  # type: ignore[arg-type]
        except (OverflowError, ValueError):
            raise BadParameters(f"{text} lies too far in the future") from None
        place = step.end()
    return moment


def _absolute(text: str, now: datetime) -> datetime:
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            hour, minute = text.split(":")
            return now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameters(
            f"{text} is not a legal time format. accepted formats are YYYY-MM-DD HH:MM | HH:MM"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
