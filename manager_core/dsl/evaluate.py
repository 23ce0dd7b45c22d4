"""Evaluation on demand: outputs, capabilities, operation inputs, node properties, whatever a client sends.

The facts come from an `EvaluationStorage`; nothing here reads a database. Contract §13.1, §13.2, §15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manager_core.dsl.errors import DslErrors
from manager_core.dsl.functions.evaluation import Frame
from manager_core.dsl.functions.places import Scope
from manager_core.dsl.functions.runtime import RuntimeEvaluator
from manager_core.dsl.functions.storage import EvaluationStorage

__all__ = ["EvaluationStorage", "evaluate", "evaluate_capabilities", "evaluate_outputs"]


def evaluate(
    payload: Any,
    *,
    storage: EvaluationStorage,
    context: Mapping[str, str | None] | None = None,
    hint: str | None = None,
) -> Any:
    """Replace the function calls inside `payload` by their values.

    Args:
        payload: a mapping or list, whose members are evaluated; the payload itself is never read as a call, so a
            mapping of operation inputs may have an input named like a function. Anything else is returned as it is.
        storage: the facts.
        context: node instance ids: `self` for a node, `source` and `target` for a relationship. A key `scope` and
            unknown keys are ignored.
        hint: the node instance to read attributes from where its node has several instances.

    Returns:
        A new payload, or the same object when there was nothing to replace.

    Raises:
        DslErrors: a call cannot be evaluated; `code` is `functions_evaluation_error`.
    """
    evaluator = RuntimeEvaluator(storage, hint=hint)
    return _run(evaluator, payload, _frame(context or {}, "payload"), "functions_evaluation_error")


def evaluate_outputs(outputs: Mapping[str, Any], *, storage: EvaluationStorage) -> dict[str, Any]:
    """Return name → value of a deployment's outputs.

    An output that is directly a get_secret of a missing secret is left out; an attribute that cannot be resolved
    becomes the text `<ERROR: …>` (contract §13.1).

    Raises:
        DslErrors: with code `deployment_outputs_evaluation_error`.
    """
    evaluator = RuntimeEvaluator(storage, lenient_attributes=True)
    values = _without_missing_secrets(outputs, storage)
    frame = Frame(Scope.OUTPUTS, "outputs", ("outputs",))
    result: dict[str, Any] = _run(evaluator, values, frame, "deployment_outputs_evaluation_error")
    return result


def evaluate_capabilities(capabilities: Mapping[str, Any], *, storage: EvaluationStorage) -> dict[str, Any]:
    """Return name → value of a deployment's capabilities; missing secrets as in `evaluate_outputs` (contract §13.2).

    Raises:
        DslErrors: with code `deployment_capabilities_evaluation_error`.
    """
    evaluator = RuntimeEvaluator(storage)
    values = _without_missing_secrets(capabilities, storage)
    frame = Frame(Scope.CAPABILITIES, "capabilities", ("capabilities",))
    result: dict[str, Any] = _run(evaluator, values, frame, "deployment_capabilities_evaluation_error")
    return result


def _run(evaluator: RuntimeEvaluator, payload: Any, frame: Frame, code: str) -> Any:
    if not isinstance(payload, dict | list):
        return payload
    try:
        return evaluator.container(payload, frame)
    except DslErrors as error:
        error.code = code
        raise


def _frame(context: Mapping[str, str | None], where: str) -> Frame:
    return Frame(
        where=where,
        self_id=context.get("self"),
        source_id=context.get("source"),
        target_id=context.get("target"),
    )


def _without_missing_secrets(definitions: Mapping[str, Any], storage: EvaluationStorage) -> dict[str, Any]:
    values = {}
    for name, definition in definitions.items():
        value = definition["value"]
        if isinstance(value, dict) and "get_secret" in value:
            argument = value["get_secret"]
            key = argument[0] if isinstance(argument, list) and argument else argument
            if isinstance(key, str) and not _has_secret(storage, key):
                continue
        values[name] = value
    return values


def _has_secret(storage: EvaluationStorage, key: str) -> bool:
    try:
        storage.get_secret(key)
    except KeyError:
        return False
    return True
