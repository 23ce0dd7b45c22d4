"""What a system workflow is given to work with (workflow-runtime contract §6).

Written by the execution process, read by the functions of the registry in `system_workflows.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manager_core.access.caller import Caller
    from manager_core.bootstrap import Core


@dataclass(frozen=True)
class SystemWork:
    """One run of a system workflow.

    A `ManagerError` raised by the function ends the execution `failed` with its message as the error; any other
    exception does too, with its traceback. Returning ends it `terminated`.

    Attributes:
        core: the Core of the execution process.
        caller: the creator of the execution, in its tenant.
        execution_id: the execution.
        tenant_name: the execution's tenant.
        deployment_id, blueprint_id: what it works on; None where it has none.
        parameters: the bound parameters.
        resume: whether an earlier run of this execution was cut off; what it committed is there.
        send_event: records a `workflow_stage` event with the given message.
        cancelled: tells whether a cancel was requested; a function that heeds it raises `WorkCancelled`.
    """

    core: Core
    caller: Caller
    execution_id: str
    tenant_name: str
    deployment_id: str | None
    blueprint_id: str | None
    parameters: dict[str, Any]
    send_event: Callable[[str], None]
    resume: bool = False
    cancelled: Callable[[], bool] = lambda: False


class WorkCancelled(Exception):
    """Raised by a system workflow that stopped because a cancel was requested: the execution ends `cancelled`."""
