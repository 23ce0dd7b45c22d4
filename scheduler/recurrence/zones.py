"""Time zones on integers: offset segments, wall time to instant, and what happens in a gap and in a fold.

An instant is whole seconds since 1970-01-01T00:00Z; a wall time is counted the same way but on the local clock, so
``instant = wall - offset``. The rule of scheduling.md §3 for wall times: one that does not exist runs at the instant
the offset before the gap gives (02:30 → 03:30), one that exists twice at the first. `zoneinfo` is asked for offsets
only; the changes between them are found by bisection and kept, so that the common look-up is a dictionary and a
comparison.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from scheduler.recurrence.errors import RecurrenceError

DAY = 86400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_INSTANT = -62135596800 + 2 * DAY
MAX_INSTANT = 253402300799 - 2 * DAY

_CHUNK_BITS = 23  # 97 days: long enough to hold most searches, short enough to probe quickly
_PROBE = 1 << 18  # three days: no zone has changed its clocks back and forth within so short a time
_MARGIN = DAY + 4 * 3600  # more than any gap: the date line moved by a day in 2011


def to_seconds(moment: datetime) -> int:
    """Return the whole seconds since the epoch, fractions cut off, of an aware datetime."""
    span = moment - EPOCH
    return span.days * DAY + span.seconds


def to_datetime(seconds: int) -> datetime:
    """Return the aware UTC datetime of an instant."""
    return EPOCH + timedelta(seconds=seconds)


class Segment:
    """A span of constant offset: from `start` (inclusive) to `end` (exclusive), instants.

    `before` is the offset that held until `start`; equal to `offset` where the span only begins a chunk of the table.
    """

    __slots__ = ("before", "end", "offset", "start")

    def __init__(self, start: int, end: int, offset: int, before: int) -> None:
        self.start = start
        self.end = end
        self.offset = offset
        self.before = before


class Zone:
    """One IANA zone. Use `zone` to get it: the tables are shared and only grow."""

    __slots__ = ("_chunks", "_info", "fixed", "name")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name = name
        self._info = info
        self._chunks: dict[int, list[Segment]] = {}
        self.fixed: int | None = 0 if name in ("UTC", "Etc/UTC", "Zulu", "Etc/Zulu", "UCT", "Universal") else None

    def _probe(self, instant: int) -> int:
        clipped = min(max(instant, MIN_INSTANT), MAX_INSTANT)
        moment = (EPOCH + timedelta(seconds=clipped)).astimezone(self._info)
        offset = moment.utcoffset()
        assert offset is not None
        return offset.days * DAY + offset.seconds

    def _build(self, chunk: int) -> list[Segment]:
        first, stop = chunk << _CHUNK_BITS, (chunk + 1) << _CHUNK_BITS
        # the change that opened this chunk's first segment may lie shortly before it; wall times ask for it
        segments: list[Segment] = []
        start, before, offset = first - _MARGIN - _PROBE, 0, self._probe(first - _MARGIN - _PROBE)
        before = offset
        probe = start
        while probe < stop:
            probe = min(probe + _PROBE, stop)
            here = self._probe(probe)
            if here != offset:
                low, high = probe - _PROBE, probe
                while high - low > 1:
                    middle = (low + high) // 2
                    if self._probe(middle) == offset:
                        low = middle
                    else:
                        high = middle
                segments.append(Segment(start, high, offset, before))
                start, before, offset = high, offset, self._probe(high)
                probe = high
        segments.append(Segment(start, stop, offset, before))
        return [segment for segment in segments if segment.end > first]

    def segment(self, instant: int) -> Segment:
        """Return the span of constant offset that holds `instant`."""
        chunk = instant >> _CHUNK_BITS
        segments = self._chunks.get(chunk)
        if segments is None:
            segments = self._chunks[chunk] = self._build(chunk)
        if len(segments) == 1:
            return segments[0]
        for segment in segments:
            if instant < segment.end:
                return segment
        raise AssertionError("a chunk covers all of its instants")

    def offset(self, instant: int) -> int:
        """Return the seconds to add to `instant` for the wall clock."""
        return self.segment(instant).offset if self.fixed is None else self.fixed

    def to_instant(self, wall: int) -> int:
        """Return the instant of a wall time: in a gap by the offset before it, in a fold the first of the two."""
        if self.fixed is not None:
            return wall - self.fixed
        segment = self.segment(wall - _MARGIN)
        while True:
            # `segment` begins before the wall time can have come; the first span still showing it wins,
            # and a wall time that no span shows lies in the gap after the span that ended too early
            if wall - segment.offset < segment.end:
                return wall - segment.offset
            following = self.segment(segment.end)
            if following.offset > segment.offset and wall < segment.end + following.offset:
                return wall - segment.offset
            segment = following

    def to_wall(self, instant: int) -> int:
        """Return the wall time of an instant."""
        return instant + self.offset(instant)

    def localize(self, instant: int) -> datetime:
        """Return the aware datetime of `instant` in this zone, for people to read."""
        return to_datetime(instant).astimezone(self._info)

    def changes(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return (instant, offset before, offset after) of each change of the clocks in ``start < instant <= end``."""
        found: list[tuple[int, int, int]] = []
        if self.fixed is not None:
            return found
        segment = self.segment(start)
        while segment.end <= end:
            following = self.segment(segment.end)
            if following.offset != segment.offset:
                found.append((segment.end, segment.offset, following.offset))
            segment = following
        return found


@lru_cache(maxsize=1024)
def _load(name: str) -> Zone:
    return Zone(name, ZoneInfo(name))


def zone(name: str, field: str = "timezone") -> Zone:
    """Return the zone of an IANA name.

    Raises:
        RecurrenceError: the name is unknown; `field` is blamed.
    """
    if not isinstance(name, str) or not name or not name[0].isalpha() or ".." in name:
        raise RecurrenceError(field, f"{name} is not a recognized timezone; an IANA name is expected, like Europe/Rome")
    try:
        return _load(name)
    except (KeyError, ValueError, OSError):
        raise RecurrenceError(
            field, f"{name} is not a recognized timezone; an IANA name is expected, like Europe/Rome"
        ) from None
