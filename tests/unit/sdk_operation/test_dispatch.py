"""Running one operation in this process: loading, saving, errors as data and back (contract §2.3, §2.4)."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from manager_core.runtime.host_calls import HostTransport
from tests.support.runner_host import MemoryHost

Run = Callable[..., Any]


@pytest.fixture
def run(host: MemoryHost, mapping: dict[str, Any]) -> Iterator[Run]:
    """Run a function as an operation."""
    from cloudify import dispatch

    module = types.ModuleType("author")
    sys.modules["author"] = module

    def run_function(function: Any, context: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        module.function = function  # type: ignore[attr-defined]
        context = {**mapping, "task_name": "author.function", **(context or {})}
        return dispatch.run_operation(context, (), kwargs, transport=HostTransport(host, context))

    yield run_function
    del sys.modules["author"]


def test_the_authors_error_wins_over_a_conflict_while_saving(run: Run, host: MemoryHost) -> None:
    """What was meant as non-recoverable is not retried because of a version; the failed save is logged."""
    from cloudify.exceptions import NonRecoverableError

    def function(ctx: Any) -> None:
        ctx.instance.runtime_properties["a"] = 1
        host.instances["vm_1"]["version"] = 7
        raise NonRecoverableError("mine")

    with pytest.raises(NonRecoverableError, match="mine"):
        run(function)
    assert any("could not be saved" in text for text in host.messages())


def test_the_logger_of_an_operation_is_forgotten(run: Run) -> None:
    """A runner runs thousands."""
    import logging

    run(lambda ctx: ctx.logger.info("x"))
    assert "ctx.task-1" not in logging.Logger.manager.loggerDict


def test_the_context_is_gone_after_the_operation(run: Run) -> None:
    """Also when it failed."""
    from cloudify.state import NotInContext, current_ctx

    with pytest.raises(ZeroDivisionError):
        run(lambda ctx: 1 / 0)
    with pytest.raises(NotInContext):
        current_ctx.get_ctx()


def test_retry_without_a_message_is_a_retry(run: Run) -> None:
    """The text is nobody's business."""
    from cloudify.exceptions import OperationRetry

    with pytest.raises(OperationRetry):
        run(lambda ctx: ctx.operation.retry())


def test_workflows_are_not_operations(run: Run) -> None:
    """`dispatch` of a workflow's mapping is refused."""
    from cloudify.dispatch import dispatch
    from cloudify.exceptions import NonRecoverableError

    with pytest.raises(NonRecoverableError):
        dispatch({"type": "workflow"})


def _errors() -> list[Exception]:
    from cloudify import exceptions as e

    return [
        e.NonRecoverableError("n"),
        e.RecoverableError("r", retry_after=3),
        e.OperationRetry("o", retry_after=0),
        e.HttpException("http://x", 404, "gone"),
        e.StopAgent("s"),
        e.ProcessKillCancelled("p"),
        e.CloudifySerializationRetry("c"),
        ValueError("v"),
    ]


@pytest.mark.parametrize("number", range(8))
def test_an_error_comes_back_as_what_the_workflow_has_to_treat(number: int) -> None:
    """Same kind, same text, same delay; the suffix with the delay is not doubled."""
    from cloudify import errors_as_data
    from cloudify import exceptions as e

    error = _errors()[number]
    data = errors_as_data.describe(error)
    restored = errors_as_data.restore(data)
    expected = type(error)
    if isinstance(error, ValueError | e.CloudifySerializationRetry):
        expected = e.RecoverableError
    assert type(restored) is expected
    assert str(restored) == str(error)
    assert getattr(restored, "retry_after", None) == getattr(error, "retry_after", None)
    if not isinstance(error, e.StopAgent):
        assert restored.causes[-1]["type"] == type(error).__name__  # type: ignore[attr-defined]


def test_causes_of_the_error_come_first() -> None:
    """The most recent cause is the last one."""
    from cloudify import errors_as_data
    from cloudify.exceptions import NonRecoverableError
    from cloudify.utils import exception_to_error_cause

    try:
        raise KeyError("inner")
    except KeyError as error:
        cause = exception_to_error_cause(error, sys.exc_info()[2])
    data = errors_as_data.describe(NonRecoverableError("outer", causes=[cause]))
    assert [one["type"] for one in data["causes"]] == ["KeyError", "NonRecoverableError"]
    assert "KeyError: 'inner'" in data["causes"][0]["traceback"]


def test_texts_of_errors_are_bounded_and_storable() -> None:
    """Gigabytes of message are cut, lone surrogates escaped, odd delays dropped."""
    from cloudify import errors_as_data
    from cloudify.exceptions import RecoverableError

    data = errors_as_data.describe(RuntimeError("x" * 5_000_000))
    assert len(data["message"]) < 1_100_000
    assert "characters left out" in data["message"]
    assert errors_as_data.describe(RuntimeError("\udcff"))["message"] == "\\udcff"
    odd = RecoverableError("r")
    odd.retry_after = object()  # type: ignore[assignment]
    odd.causes = ["no dict", {"message": object()}]  # type: ignore[list-item]
    data = errors_as_data.describe(odd)
    assert data["retry_after"] is None
    assert len(data["causes"]) == 2
