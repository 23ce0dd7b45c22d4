"""The one error of the recurrence library: a rule that cannot be made, and which field is to blame."""

from __future__ import annotations


class RecurrenceError(ValueError):
    """A rule, a time or a zone is not acceptable.

    Attributes:
        field: the name of the guilty field as the schedule has it (``recurrence``, ``rrule``, ``since`` …).
        message: the sentence for the person who wrote it (texts of scheduling.md §2 and rest-api.md §10.2).
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
