"""Decorators of operations and workflows (contract §1.2). Both are optional."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from cloudify.exceptions import CloudifySerializationRetry
from cloudify.state import ctx as current_operation


def operation(func: Callable[..., Any] | None = None, resumable: bool = False, **_: Any) -> Callable[..., Any]:
    """Declare an operation.

    Args:
        resumable: whether it may be called again after having been started once (`ctx.resume` is then true).
    """
    if func is None:
        return lambda function: operation(function, resumable=resumable)
    func.resumable = resumable  # type: ignore[attr-defined]
    return func


task = operation


def workflow(
    func: Callable[..., Any] | None = None, system_wide: bool = False, resumable: bool = False, **_: Any
) -> Callable[..., Any]:
    """Declare a workflow.

    Args:
        system_wide: whether it runs on the manager rather than on a deployment.
        resumable: whether it may be run again on a resumed execution.
    """
    if func is None:
        return lambda function: workflow(function, system_wide=system_wide, resumable=resumable)
    func.workflow_system_wide = system_wide  # type: ignore[attr-defined]
    func.resumable = resumable  # type: ignore[attr-defined]
    return func


def serial_operation(
    threshold: int = 0,
    workflows: Sequence[str] | None = None,
    states: Sequence[str] | None = None,
    **operation_kwargs: Any,
) -> Callable[..., Any]:
    """Declare an operation that runs instance by instance, in the order of their indexes.

    An instance waits, by being retried, until every instance of its node with a lower index is in one of `states`.

    Args:
        threshold: start waiting only when so many instances are in one of `states`; 0 is always.
        workflows: the workflows in which to wait; by default install.
        states: what counts as done; by default started.
    """
    waiting_in = set(workflows or ["install"])
    done = set(states or ["started"])

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @operation(**operation_kwargs)
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            ctx = kwargs.get("ctx") or current_operation
            if ctx.workflow_id in waiting_in:
                _wait_for_lower_indexes(ctx, threshold, done)
            return func(*args, **kwargs)

        return wrapper

    return decorate


def _wait_for_lower_indexes(ctx: Any, threshold: int, done: set[str]) -> None:
    from cloudify import manager

    client = manager.get_rest_client()
    siblings = sorted(
        client.node_instances.list(deployment_id=ctx.deployment.id, node_id=ctx.node.id),
        key=lambda instance: instance["index"],
    )
    finished = sum(instance["state"] in done for instance in siblings)
    if threshold > 0 and threshold > finished:
        return
    for sibling in siblings:
        if sibling["id"] == ctx.instance.id:
            return
        if sibling["state"] not in done:
            raise CloudifySerializationRetry(
                f"Waiting for instance {sibling['id']} of node {ctx.node.id}, which is {sibling['state']}"
            )
