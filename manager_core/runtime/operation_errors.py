"""The errors of operations that never got to raise one themselves: deaths, time-outs, refusals, as data.

The texts are those of the workflow-runtime contract §2.3, where it has one.
"""

from __future__ import annotations

from manager_core.runtime.messages import ErrorData, ErrorKind, OperationOutcome, OperationRequest


def error_data(kind: ErrorKind, type_name: str, message: str, traceback: str = "") -> ErrorData:
    """Return an error whose only cause is itself."""
    return {
        "kind": kind,
        "type": type_name,
        "message": message,
        "retry_after": None,
        "causes": [{"message": message, "type": type_name, "traceback": traceback}],
    }


def failed(request: OperationRequest, kind: ErrorKind, type_name: str, message: str) -> OperationOutcome:
    """Return the outcome of an operation that could not be run."""
    return OperationOutcome(request.task_id, False, error=error_data(kind, type_name, message))


def not_started(request: OperationRequest, error: BaseException) -> OperationOutcome:
    """Return the outcome of an operation for which no process could be started; it may be tried again."""
    text = f"The operation's process could not be started: {error}"
    return failed(request, "recoverable", type(error).__name__, text)


def dropped(request: OperationRequest) -> OperationOutcome:
    """Return the outcome of an operation that was still waiting when the execution ended."""
    return failed(request, "cancelled", "ProcessKillCancelled", "The operation was not started")


def timed_out(request: OperationRequest) -> ErrorData:
    """Return the error of an operation that took longer than it may."""
    text = f"Process killed due to timeout of {request.timeout:g} seconds"
    if request.timeout_recoverable:
        return error_data("recoverable", "RecoverableError", text)
    return error_data("non_recoverable", "NonRecoverableError", text)


def too_much_output(limit: int) -> ErrorData:
    """Return the error of an operation that printed, logged or stored without end."""
    text = f"Process killed because the operation wrote more than {limit} bytes of output"
    return error_data("non_recoverable", "NonRecoverableError", text)


def execution_ended() -> ErrorData:
    """Return the error of an operation that was running when its execution was ended."""
    return error_data("cancelled", "ProcessKillCancelled", "The execution process ended")


def death(code: int | None, last_words: bytes) -> ErrorData:
    """Return the error of an operation whose process ended under it, with what it last wrote to stderr."""
    if code is not None and code < 0:
        text = f"Process terminated (rc={code})"
    else:
        text = f"Unhandled exception occurred in operation dispatch (rc={code})"
    return error_data("non_recoverable", "NonRecoverableError", text, last_words.decode("utf-8", "replace"))
