"""The exceptions authors raise and catch (contract workflow-runtime.md §5.9).

What an operation raises decides whether its task is retried: `NonRecoverableError` and its subclasses end
it, `OperationRetry` reschedules it, everything else is retried. `causes` carries, across the process
boundary, what happened on the other side: a list of ``{"message", "type", "traceback"}``.
"""

from __future__ import annotations

from typing import Any

Cause = dict[str, Any]


class NonRecoverableError(Exception):
    """The operation must not be tried again.

    Args:
        causes: keyword only; the causes from the other side of a process boundary.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.causes: list[Cause] = kwargs.pop("causes", None) or []
        super().__init__(*args)


class RecoverableError(Exception):
    """The operation may be tried again.

    Args:
        message: what went wrong; with `retry_after` the text gets `` [retry_after=N]`` appended, once.
        retry_after: seconds to wait before the next try; None leaves it to the configured interval.
        causes: the causes from the other side of a process boundary.
    """

    def __init__(
        self, message: Any = "", retry_after: float | None = None, causes: list[Cause] | None = None, **_: Any
    ) -> None:
        if retry_after is not None:
            suffix = f"[retry_after={retry_after}]"
            if suffix not in str(message):
                message = f"{message} {suffix}"
        self.retry_after = retry_after
        self.causes: list[Cause] = causes or []
        super().__init__(message)


class OperationRetry(RecoverableError):
    """Run the operation again; a failure handler is not asked."""


class CloudifySerializationRetry(RecoverableError):
    """An instance with a lower index is not ready yet (`decorators.serial_operation`)."""


class HttpException(NonRecoverableError):
    """A resource could not be fetched.

    Args:
        url: what was asked for.
        code: HTTP status.
        message: the answer's text.
    """

    def __init__(self, url: str, code: int, message: str, causes: list[Cause] | None = None, **_: Any) -> None:
        self.url = url
        self.code = code
        self.message = message
        super().__init__(f"{code} ({url}) : {message}", causes=causes)


class CommandExecutionError(RuntimeError):
    """A command could not be run at all."""

    def __init__(self, command: str, error: str | None = None) -> None:
        self.command = command
        self.error = error
        super().__init__(f"Failed executing command: {command}.\nerror: {error}")


class CommandExecutionException(Exception):
    """A command ran and ended with a non-zero code.

    Args:
        command: the command line.
        error: what it wrote to its standard error.
        output: what it wrote to its standard output.
        code: its exit code.
    """

    def __init__(self, command: str, error: str, output: str, code: int) -> None:
        self.command = command
        self.error = error
        self.output = output
        self.code = code
        super().__init__(command, error, output, code)

    def __str__(self) -> str:
        return (
            f"Command '{self.command}' executed with an error.\n"
            f"code: {self.code}\nerror: {self.error or None}\noutput: {self.output or None}"
        )


class TimeoutException(Exception):
    """Something took longer than it was given."""


class ProcessKillCancelled(NonRecoverableError):
    """The process was ended because the execution is being killed."""


class ClosedAMQPClientException(Exception):
    """Kept for the plugins that import it; this runtime has no message broker."""


class PluginInstallationError(Exception):
    """A plugin could not be installed."""


class StopAgent(Exception):
    """Stop the agent that runs the operation."""


class WorkflowFailed(RuntimeError):
    """A task graph ended with failed tasks; the text alone is the execution's error.

    Args:
        hide_traceback: keyword only; report the text without the traceback of the workflow function.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.hide_traceback: bool = kwargs.pop("hide_traceback", False)
        super().__init__(*args)


class InvalidBlueprintImport(RuntimeError):
    """A blueprint was imported in a way that is not allowed."""
