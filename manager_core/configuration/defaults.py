"""The values an operator may change at run time, with their defaults, scopes and schemas (REST contract §2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Known:
    """One configuration value.

    Attributes:
        name, scope: how it is called; a name is unique over all scopes here.
        default: what holds until somebody changes it.
        schema: what may be set, in the words of JSON schema that `configuration.service` knows; None for anything.
        is_editable: whether `PUT /config/<name>` may change it without `force`.
        admin_only: whether only administrators see it.
    """

    name: str
    scope: str
    default: Any
    schema: dict[str, Any] | None = None
    is_editable: bool = True
    admin_only: bool = False


def _number(minimum: float, maximum: float | None = None, *, whole: bool = True) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer" if whole else "number", "minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum
    return schema


KNOWN: tuple[Known, ...] = (
    Known("max_concurrent_workflows", "rest", 20, _number(1, 1000)),
    Known("default_page_size", "rest", 1000, _number(1, 100_000)),
    Known("failed_logins_before_account_lock", "rest", 4, _number(1, 1_000_000)),
    Known("account_lock_period", "rest", 30, _number(-1, 10_000_000)),
    Known("public_ip", "rest", None, {"type": "string"}, is_editable=False),
    Known("task_retries", "workflow", 60, _number(-1, 2**31)),
    Known("task_retry_interval", "workflow", 15, _number(0, 2**31, whole=False)),
    Known("subgraph_retries", "workflow", 0, _number(-1, 2**31)),
)
"""Every value there is."""

BY_NAME = {known.name: known for known in KNOWN}
