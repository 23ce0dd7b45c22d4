"""Recurrence rules: pure functions from a rule and an instant to the next instants.

`parse` makes a `Rule` of a schedule's fields; `Rule.after`, `between`, `next`, `latest` and `count` answer in time that
does not grow with the rule's age. Nothing here reads the clock, the machine's zone or a file.
"""

from scheduler.recurrence.compile import parse
from scheduler.recurrence.errors import RecurrenceError
from scheduler.recurrence.rule import Rule

__all__ = ["RecurrenceError", "Rule", "parse"]
