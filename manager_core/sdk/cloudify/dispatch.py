"""Runs one operation: finds its function, evaluates its inputs, calls it, saves what it changed (contract §2.3)."""

from __future__ import annotations

import json
from typing import Any

from cloudify import logs, utils
from cloudify.context import CloudifyContext
from cloudify.exceptions import NonRecoverableError
from cloudify.state import current_ctx


def dispatch(__cloudify_context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Run what a context mapping describes and return its result; raises what it raises."""
    if __cloudify_context.get("type") == "workflow":
        raise NonRecoverableError("Workflows are started as executions of a deployment")
    return run_operation(__cloudify_context, args, kwargs)


def run_operation(
    context: dict[str, Any],
    args: tuple[Any, ...] | list[Any],
    kwargs: dict[str, Any],
    *,
    transport: Any = None,
    resume: bool | None = None,
) -> Any:
    """Run an operation in this process and return its result.

    Args:
        context: the ``__cloudify_context`` mapping; ``has_intrinsic_functions`` in it has the inputs evaluated.
        args: positional arguments.
        kwargs: the inputs, without ``ctx``.
        transport: how the context reaches the manager; default the transport of this process.
        resume: whether it was started before; default what the mapping says.

    Raises:
        NonRecoverableError: there is no such function, or it cannot be resumed.
        OperationRetry: the function asked for it by ``ctx.operation.retry``.
        BaseException: whatever the function raises.
    """
    ctx = CloudifyContext(context, transport=transport)
    if resume is not None:
        ctx.resume = resume
    task_name = ctx.task_name
    function = utils.get_func(task_name)
    if not callable(function):
        raise NonRecoverableError(f"{task_name} is not callable")
    if ctx.resume and not getattr(function, "resumable", False):
        raise NonRecoverableError(f"Cannot resume - operation not resumable: {function}")
    kwargs = dict(kwargs)
    if context.get("has_intrinsic_functions"):
        kwargs = ctx._endpoint.call("evaluate_functions", payload=kwargs)
    kwargs["ctx"] = ctx
    try:
        with current_ctx.push(ctx, kwargs):
            result = _call_and_save(ctx, function, args, kwargs)
    finally:
        if ctx._logger is not None:
            logs.forget_logger(ctx._logger.name)
    if ctx.operation._operation_retry is not None:
        raise ctx.operation._operation_retry
    return result


def _call_and_save(ctx: CloudifyContext, function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call the function, then save changed runtime properties, also when it raised.

    An error of the function stays the operation's error when saving fails too; that failure is logged.
    """
    try:
        result = function(*args, **kwargs)
    except BaseException:
        try:
            _save(ctx)
        except Exception as error:
            ctx.logger.error("The runtime properties could not be saved: %s", error)
        raise
    _save(ctx)
    return result


def _save(ctx: CloudifyContext) -> None:
    for subject in ctx._subjects():
        subject.update()


def check_result(result: Any) -> Any:
    """Return the result when it can be passed on as JSON.

    Raises:
        NonRecoverableError: it cannot.
    """
    try:
        json.dumps(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise NonRecoverableError(f"The operation's result cannot be passed on as JSON: {error}") from error
    return result
