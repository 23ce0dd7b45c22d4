"""Stage B: a plan and given inputs become the plan of one deployment (contract §16).

The plan that comes in is never changed; what the evaluation leaves alone is shared between the two, so preparing
costs in proportion to what there is to replace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from manager_core.dsl.constraints import ValueSource
from manager_core.dsl.errors import DslErrors, Fault, Path
from manager_core.dsl.functions.evaluation import Frame
from manager_core.dsl.functions.places import Plan, Scope, find, places
from manager_core.dsl.functions.requirements import literal_secrets
from manager_core.dsl.functions.static import StaticEvaluator
from manager_core.dsl.input_values import ConstraintEvaluator, bind_inputs

SecretNames = Callable[[Collection[str]], Collection[str]]
"""Given secret names, returns those that exist."""

ERROR_CODES: dict[Fault, str] = {
    Fault.MISSING_INPUT: "missing_required_deployment_input_error",
    Fault.UNKNOWN_INPUT: "unknown_deployment_input_error",
    Fault.UNKNOWN_SECRET: "unknown_deployment_secret_error",
    Fault.UNSUPPORTED_GET_SECRET: "unsupported_deployment_get_secret_error",
    Fault.CONSTRAINT: "constraint_error",
    Fault.FEE: "functions_evaluation_error",
    Fault.FVE: "functions_evaluation_error",
    Fault.INPUT_EVALUATION: "functions_evaluation_error",
    Fault.RECURSION_LIMIT: "functions_evaluation_error",
}
"""Kind of refusal → the stable code of the REST contract; the others are `deployment_creation_error`."""


def prepare(
    plan: Plan,
    inputs: Mapping[str, Any] | None = None,
    *,
    secrets: SecretNames | None = None,
    values: ValueSource | None = None,
    runtime_only: bool = False,
    auto_correct: bool = False,
    evaluate_constraints: ConstraintEvaluator | None = None,
) -> dict[str, Any]:
    """Prepare a plan for one deployment.

    Args:
        plan: the plan of stage A.
        inputs: the given inputs.
        secrets: tells which of some secret names exist; None where there are no secrets at all.
        values: what exists, for object-type inputs and data-based constraints.
        runtime_only: leave every function for run time.
        auto_correct: correct the type of textual inputs.
        evaluate_constraints: evaluates calls in the arguments of input constraints.

    Returns:
        A new plan: `inputs` are name → value, static calls are replaced, operations that still hold calls have
        `has_intrinsic_functions`. `node_instances` and `inter_deployment_functions` are not in it yet:
        `instances.create_instances` and `inter_deployment_functions` make them.

    Raises:
        DslErrors: contract §16.1, §16.2 and the evaluation errors of §15; `code` is the REST contract's.
    """
    try:
        bound = bind_inputs(
            plan["inputs"],
            inputs,
            data_types=plan.get("data_types") or {},
            values=values,
            auto_correct=auto_correct,
            evaluate_constraints=evaluate_constraints,
        )
        prepared = _Preparation(plan, bound, runtime_only).run()
        check_secrets(literal_secrets(prepared), secrets)
    except DslErrors as error:
        error.code = ERROR_CODES.get(error.problems[0].kind, "deployment_creation_error")
        raise
    return prepared


def check_secrets(names: Sequence[str], secrets: SecretNames | None) -> None:
    """Refuse secret names that do not exist (contract §16.2).

    Raises:
        DslErrors: UnknownSecretError; UnsupportedGetSecretError when there is no source of secrets.
    """
    if not names:
        return
    if secrets is None:
        text = "The get_secret intrinsic function is not supported"
        raise DslErrors.single(Fault.UNSUPPORTED_GET_SECRET, None, text)
    existing = set(secrets(names))
    missing = [name for name in names if name not in existing]
    if missing:
        text = f"Required secrets: [{', '.join(missing)}] don't exist in this tenant"
        raise DslErrors.single(Fault.UNKNOWN_SECRET, None, text)


def inter_deployment_functions(prepared: Plan, node_instances: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """List the calls that make this deployment depend on another (contract §16.4).

    Args:
        prepared: the prepared plan.
        node_instances: its node instances, with relationships.

    Returns:
        One entry per get_capability and per node instance it is evaluated for: `function_identifier`,
        `target_deployment` as [literal id or None, raw first argument], `context` with the instance ids.
    """
    by_node: dict[str, list[Mapping[str, Any]]] = {}
    for instance in node_instances:
        by_node.setdefault(instance["node_id"], []).append(instance)
    entries: list[dict[str, Any]] = []
    for place in places(prepared):
        for call in find(place):
            if call.name != "get_capability":
                continue
            target = call.argument[0]
            base = {
                "function_identifier": f"{call.where}.get_capability",
                "target_deployment": [target if isinstance(target, str) else None, target],
            }
            for context in _contexts(place.scope, place.node, place.target, place.relationship_type, by_node):
                entries.append({**base, "context": context})
    return entries


def _contexts(
    scope: Scope,
    node: str | None,
    target: str | None,
    relationship_type: str | None,
    by_node: Mapping[str, list[Mapping[str, Any]]],
) -> Iterable[dict[str, str]]:
    if scope is Scope.NODE:
        return [{"self": instance["id"]} for instance in by_node.get(node or "", ())]
    if scope is not Scope.RELATIONSHIP:
        return [{}]
    contexts = []
    for instance in by_node.get(node or "", ()):
        for relationship in instance.get("relationships") or ():
            if relationship["target_name"] == target and relationship["type"] == relationship_type:
                own = instance["id"]
                contexts.append({"self": own, "source": own, "target": relationship["target_id"]})
                break
    return contexts


class _Preparation:
    """One preparation: walks the plan's places in order and builds the new plan."""

    def __init__(self, plan: Plan, inputs: Mapping[str, Any], runtime_only: bool) -> None:
        self.plan = plan
        properties = {node["name"]: node["properties"] for node in plan["nodes"]}
        self.evaluator = StaticEvaluator(inputs, properties, runtime_only=runtime_only)
        # Nodes of one type share the very same operation objects: those without calls are searched once.
        self.plain_operations: set[int] = set()
        self.plain_mappings: set[int] = set()  # the same for mappings of them

    def run(self) -> dict[str, Any]:
        """Return the prepared plan."""
        nodes = [self._node(node) for node in self.plan["nodes"]]
        prepared = {**self.plan, "nodes": nodes}
        prepared["outputs"] = self._section("outputs", Scope.OUTPUTS)
        for name in ("policies", "scaling_groups"):
            prepared[name] = self._properties_of_each(name, Scope(name))
        prepared["capabilities"] = self._section("capabilities", Scope.CAPABILITIES)
        prepared["labels"] = self._section("labels", Scope.LABELS)
        settings = self.plan.get("deployment_settings") or {}
        frame = Frame(Scope.SETTINGS, "deployment_settings", ("deployment_settings",))
        prepared["deployment_settings"] = self.evaluator.container(settings, frame)
        for name, group in prepared["scaling_groups"].items():
            _check_counts(name, group.get("properties") or {}, ("policies", name))
        prepared["inputs"] = self.evaluator.inputs
        return prepared

    def _section(self, section: str, scope: Scope) -> dict[str, Any]:
        original = self.plan.get(section) or {}
        return {
            name: self.evaluator.container(body, Frame(scope, f"{section}.{name}", (section, name)))
            for name, body in original.items()
        }

    def _properties_of_each(self, section: str, scope: Scope) -> dict[str, Any]:
        result = {}
        for name, body in (self.plan.get(section) or {}).items():
            frame = Frame(scope, f"{section}.{name}.properties", (section, name, "properties"))
            old = body.get("properties")
            new = self.evaluator.container(old, frame) if old else old
            result[name] = body if new is old else {**body, "properties": new}
        return result

    def _node(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        name = node["name"]
        source: Path = ("node_templates", name)
        changes: dict[str, Any] = {}
        frame = Frame(Scope.NODE, f"nodes.{name}.properties", (*source, "properties"), name)
        properties = self.evaluator.node_properties(name, frame)
        if properties is not node["properties"]:
            changes["properties"] = properties
        capabilities = self._node_capabilities(node, source)
        if capabilities is not node.get("capabilities"):
            changes["capabilities"] = capabilities
        where, path = f"nodes.{name}.operations", (*source, "interfaces")
        operations = self._operations(node.get("operations"), Scope.NODE, where, path, name, None)
        if operations is not node.get("operations"):
            changes["operations"] = operations
        relationships = self._relationships(node, source)
        if relationships is not None:
            changes["relationships"] = relationships
        return {**node, **changes} if changes else node

    def _node_capabilities(self, node: Mapping[str, Any], source: Path) -> Any:
        capabilities = node.get("capabilities")
        result = capabilities
        for key, body in (capabilities or {}).items():
            old = body.get("properties") or {}
            frame = Frame(
                Scope.NODE,
                f"nodes.{node['name']}.capabilities.{key}",
                (*source, "capabilities", key, "properties"),
                node["name"],
            )
            new = self.evaluator.container(old, frame)
            if new is not old:
                result = {**result, key: {**body, "properties": new}}  # type: ignore[dict-item] # it is a mapping here
            if key == "scalable":
                _check_counts(node["name"], new, frame.source)
        return result

    def _relationships(self, node: Mapping[str, Any], source: Path) -> list[Any] | None:
        """Return the new list, or None when nothing changed."""
        name = node["name"]
        original: Sequence[Any] = node.get("relationships") or ()
        result: list[Any] | None = None
        for index, relationship in enumerate(original):
            changes = {}
            for side in ("source", "target"):
                old = relationship.get(f"{side}_operations")
                where = f"nodes.{name}.{relationship['type']}"
                path = (*source, "relationships", index, f"{side}_interfaces")
                new = self._operations(old, Scope.RELATIONSHIP, where, path, name, relationship["target_id"])
                if new is not old:
                    changes[f"{side}_operations"] = new
            if changes:
                if result is None:
                    result = list(original)
                result[index] = {**relationship, **changes}
        return result

    def _operations(
        self, operations: Any, scope: Scope, where: str, source: Path, node: str, target: str | None
    ) -> Any:
        if id(operations) in self.plain_mappings:
            return operations
        result = operations
        done: dict[int, Any] = {}
        for name, operation in (operations or {}).items():
            inputs = operation.get("inputs")
            if not inputs or id(operation) in self.plain_operations:
                continue
            new = done.get(id(operation))
            if new is None:
                interface, _, short = name.rpartition(".")
                path = (*source, interface, short, "inputs") if interface else (*source, short, "inputs")
                frame = Frame(scope, f"{where}.{name}.inputs", path, node, target)
                new = done[id(operation)] = self._operation(operation, inputs, frame)
            if new is not operation:
                if result is operations:
                    result = dict(operations)
                result[name] = new
        if result is operations:
            self.plain_mappings.add(id(operations))
        return result

    def _operation(self, operation: Mapping[str, Any], inputs: Any, frame: Frame) -> Any:
        calls, waiting = self.evaluator.calls, self.evaluator.waiting
        values = self.evaluator.container(inputs, frame)
        if self.evaluator.calls == calls:
            self.plain_operations.add(id(operation))
            return operation
        if self.evaluator.waiting == waiting:
            return {**operation, "inputs": values}
        return {**operation, "inputs": values, "has_intrinsic_functions": True}


def _check_counts(owner: str, properties: Mapping[str, Any], path: Path) -> None:
    for key, count in properties.items():
        if key.endswith("_instances") and (not isinstance(count, int) or isinstance(count, bool)):
            text = f"The number of instances {key} of '{owner}' must be an integer, but it is {count!r}"
            raise DslErrors.single(Fault.TYPE, None, text, path, value=count)
