"""One poll: claim what is due, judge each schedule on its own, write the verdicts down in sets.

The loop calls `poll` on its grid; `--once`, the simulator and the tests call the same function. Whatever one schedule
does wrong, a rule that raises or a row the database refuses, costs that schedule its verdict and no other one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from scheduler.ports import SchedulesPort, Settled
from scheduler.verdict import DueSchedule, Fault, Outcome, Verdict, Window, judge

log = logging.getLogger(__name__)

BATCH = 500


def poll(
    port: SchedulesPort,
    now: datetime,
    *,
    interval: float = 60.0,
    batch: int = BATCH,
    keep_on: Callable[[], bool] = lambda: True,
) -> list[Settled]:
    """Evaluate every schedule that is due at `now` and return what became of each, in the order it was decided.

    In maintenance mode nothing is evaluated and nothing written. Exactly once holds at any crash: the execution, the
    record and the moved `next_occurrence` of a batch commit together or not at all.

    Args:
        port: the schedules.
        now: the poll's instant, aware, UTC.
        interval: seconds between polls, the grace beyond a schedule's slip.
        batch: how many schedules one transaction holds.
        keep_on: asked between transactions; once it answers False the rest is left to the next poll.

    Raises: what the port raises when not even claiming works, for instance an unreachable database.
    """
    batches = poll_in_batches(port, now, interval=interval, batch=batch, keep_on=keep_on)
    return [settled for results in batches for settled in results]


def poll_in_batches(
    port: SchedulesPort,
    now: datetime,
    *,
    interval: float = 60.0,
    batch: int = BATCH,
    keep_on: Callable[[], bool] = lambda: True,
) -> Iterator[Sequence[Settled]]:
    """Poll like `poll`, and give what each transaction settled once it is committed: memory for one batch, not for all.

    Args and Raises: as of `poll`.
    """
    maintenance = port.maintenance(now)
    if maintenance.active:
        return
    failed: set[int] = set()
    while keep_on():
        claimed: Sequence[DueSchedule] = ()
        try:
            with port.claim(now, batch, skip=failed) as claim:
                claimed = claim.schedules
                results = claim.settle(_judge_all(claimed, now, maintenance.windows, interval)) if claimed else ()
        except Exception:
            if not claimed:
                raise
            log.exception("batch_failed", extra={"schedules": len(claimed)})
            for schedule in claimed:
                failed.add(schedule.key)
                yield _settle_alone(port, schedule, now, maintenance.windows, interval)
            continue
        yield results
        if len(claimed) < batch:
            return


def _judge_all(
    schedules: Sequence[DueSchedule], now: datetime, windows: Sequence[Window], interval: float
) -> list[Verdict]:
    verdicts = []
    for schedule in schedules:
        try:
            verdicts.append(judge(schedule, now, windows=windows, interval=interval))
        except Exception as error:
            log.exception("verdict_failed", extra={"schedule": schedule.name, "deployment": schedule.deployment_id})
            fault = Fault(schedule.next_occurrence, f"the schedule cannot be judged: {error}")
            verdicts.append(Verdict(schedule, fault, (), None, now))
    return verdicts


def _settle_alone(
    port: SchedulesPort, schedule: DueSchedule, now: datetime, windows: Sequence[Window], interval: float
) -> list[Settled]:
    """Settle one schedule of a batch that failed in a transaction of its own; record the error if that fails too."""
    reason = ""
    for attempt in ("judged", "error"):
        try:
            with port.claim(now, 1, only=[schedule.key]) as claim:
                verdicts = _judge_all(claim.schedules, now, windows, interval)
                if attempt == "error":
                    verdicts = [
                        Verdict(v.schedule, Fault(v.decision.occurrence, reason), v.missed, v.next_occurrence, now)
                        for v in verdicts
                    ]
                results = list(claim.settle(verdicts)) if verdicts else []
        except Exception as error:
            reason = f"the database refused the verdict: {error}".splitlines()[0][:500]
            log.exception("schedule_failed", extra={"schedule": schedule.name, "deployment": schedule.deployment_id})
        else:
            return results
    # not even the error could be stored: the schedule stays due, and the next poll tries again
    fault = Fault(schedule.next_occurrence, reason)
    unsettled = Verdict(schedule, fault, (), schedule.next_occurrence, now)
    return [Settled(unsettled, Outcome.ERROR, reason=reason)]
