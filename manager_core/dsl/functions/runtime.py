"""Evaluation at run time: every function has a value now (contract §15.2, §15.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manager_core.dsl.errors import Fault
from manager_core.dsl.functions.catalogue import SELF, SOURCE, TARGET, is_function
from manager_core.dsl.functions.evaluation import MAX_DEPTH, Evaluator, Frame
from manager_core.dsl.functions.shapes import evaluation_text
from manager_core.dsl.functions.storage import EvaluationStorage, Instances, NoInstance
from manager_core.dsl.functions.walking import PropertyPathError, StepError, step_through, walk_property

PARENT_LABEL = "csys-obj-parent"
"""The label that names the environment a deployment lives in."""

BY_DEPLOYMENT = "deployment_id:"
"""Begins a capability of get_group_capability whose values are wanted by deployment id."""


class RuntimeEvaluator(Evaluator):
    """Evaluates calls against a storage; what it reads it reads once.

    Args:
        storage: the facts.
        hint: a node instance to prefer where a node has several.
        lenient_attributes: whether an attribute of no or no single instance becomes the text `<ERROR: …>`.
    """

    def __init__(
        self, storage: EvaluationStorage, *, hint: str | None = None, lenient_attributes: bool = False
    ) -> None:
        super().__init__()
        self._storage = storage
        self._hint = hint
        self._lenient = lenient_attributes
        self._instances = Instances(storage)
        self._nesting = 0
        self._read: dict[tuple[Any, ...], Any] = {}
        self._functions: dict[str, Callable[[Any, Frame], Any]] = {
            "get_attributes_list": self._attributes_list,
            "get_attributes_dict": self._attributes_dict,
            "get_secret": self._secret,
            "get_capability": lambda argument, frame: self._capability("get_capability", argument, frame),
            "get_group_capability": self._group_capability,
            "get_environment_capability": self._environment_capability,
            "get_label": self._label,
            "get_sys": self._system,
            "get_consumers": self._consumers,
        }

    def _resolve(self, name: str, argument: Any, call: Any, frame: Frame) -> tuple[Any, Frame]:
        parts = argument if isinstance(argument, list) else [argument]
        waiting = next((part for part in parts if is_function(part)), None)
        if waiting is not None:
            self._fail(Fault.FEE, evaluation_text(name, f"found an unresolved argument: {waiting}"), frame, argument)
        if name == "get_input":
            value = self._ask(name, frame, self._storage.get_input, parts[0], kind=Fault.UNKNOWN_INPUT)
            return self._read_input(value, argument, call, frame), frame
        if name == "get_property":
            return self._property(argument, frame)
        if name == "get_attribute":
            return self._attribute(argument, frame)
        return self._functions[name](argument, frame), frame

    def _ask(self, name: str, frame: Frame, read: Callable[..., Any], *keys: Any, kind: Fault = Fault.FEE) -> Any:
        """Read from the storage once; an unknown name becomes a refusal of function `name`."""
        key = (name, *keys)
        if key not in self._read:
            try:
                self._read[key] = read(*keys)
            except KeyError as error:
                reason = str(error.args[0]) if error.args else f"{keys[-1]} does not exist"
                text = reason if kind is not Fault.FEE else evaluation_text(name, reason)
                self._fail(kind, text, frame, keys[-1])
        return self._read[key]

    def _property(self, argument: Sequence[Any], frame: Frame) -> tuple[Any, Frame]:
        name = self._node_meant(argument[0], frame)
        node = self._ask("get_property", frame, self._instances.node, name)
        try:
            value = walk_property(node["properties"], argument[1:], f"{name}.properties", self._where(frame))
        except PropertyPathError as error:
            self._fail(Fault.FEE, evaluation_text("get_property", str(error)), frame, argument)
        return value, Frame(frame.scope, frame.where, frame.source, name, None, *self._ids(frame))

    def _node_meant(self, name: Any, frame: Frame) -> str:
        """Return the node name behind SELF, SOURCE or TARGET, or the name itself."""
        if name == SELF and frame.node is not None:
            return frame.node
        if name not in (SELF, SOURCE, TARGET):
            return str(name)
        instance_id = self._keyword_id(name, frame)
        if instance_id is None:
            text = evaluation_text("get_property", f"{name} is missing in request context")
            self._fail(Fault.FEE, text, frame, name)
        instance = self._ask("get_property", frame, self._instances.by_id, instance_id)
        return str(instance["node_id"])

    @staticmethod
    def _ids(frame: Frame) -> tuple[str | None, str | None, str | None]:
        return frame.self_id, frame.source_id, frame.target_id

    @staticmethod
    def _keyword_id(name: str, frame: Frame) -> str | None:
        return {SELF: frame.self_id, SOURCE: frame.source_id, TARGET: frame.target_id}[name]

    def _attribute(self, argument: Sequence[Any], frame: Frame) -> tuple[Any, Frame]:
        name = argument[0]
        if name in (SELF, SOURCE, TARGET):
            instance_id = self._keyword_id(name, frame)
            if instance_id is None:
                text = evaluation_text(
                    "get_attribute", f"{name} is missing in request context for attribute {argument}"
                )
                if self._lenient:
                    return f"<ERROR: {text}>", frame
                self._fail(Fault.FEE, text, frame, argument)
            instance = self._ask("get_attribute", frame, self._instances.by_id, instance_id)
        else:
            try:
                instance = self._instances.meant(str(name), frame, self._hint)
            except (NoInstance, KeyError) as error:
                text = evaluation_text("get_attribute", str(error.args[0]))
                if self._lenient:
                    return f"<ERROR: {text}>", frame
                self._fail(Fault.FEE, text, frame, argument)
        value = self._attribute_of(instance, argument[1:], frame)
        # What the attribute itself refers to as SELF is the instance it was read from.
        return value, Frame(
            frame.scope, frame.where, frame.source, instance["node_id"], None, instance["id"], *self._ids(frame)[1:]
        )

    def _attribute_of(self, instance: Mapping[str, Any], path: Sequence[Any], frame: Frame) -> Any:
        value = self._walk(instance.get("runtime_properties") or {}, path, instance, frame)
        if value is not None:
            return value
        if len(path) == 1:
            if path[0] == "node_instance_id":
                return instance["id"]
            if path[0] == "node_instance_index":
                return instance.get("index")
        try:
            node = self._instances.node(instance["node_id"])
        except KeyError:
            return None
        return self._walk(node["properties"], path, instance, frame)

    def _walk(self, value: Any, path: Sequence[Any], instance: Mapping[str, Any], frame: Frame) -> Any:
        """Follow a path, evaluating calls met on the way; None where it leads nowhere."""
        for key in path:
            if is_function(value):
                value = self._on_the_way(value, frame)
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list):
                if not isinstance(key, int):
                    text = f"an index of attribute {list(path)} of '{instance['id']}' must be an integer, not {key!r}"
                    self._fail(Fault.FEE, evaluation_text("get_attribute", text), frame, key)
                value = value[key] if -len(value) <= key < len(value) else None
            else:
                return None
        return value

    def _on_the_way(self, call: Any, frame: Frame) -> Any:
        """Evaluate a call that a path leads through; it may lead through the same one again."""
        if self._nesting >= MAX_DEPTH:
            text = f"The recursion limit ({MAX_DEPTH}) has been reached: {call} refers to itself"
            self._fail(Fault.RECURSION_LIMIT, text, frame)
        self._nesting += 1
        value = self._value(call, frame, len(self._trail) + 1)
        self._nesting -= 1
        return value

    def _attributes_list(self, argument: Sequence[Any], frame: Frame) -> list[Any]:
        name = self._node_meant(argument[0], frame)
        return [self._attribute_of(instance, argument[1:], frame) for instance in self._instances.of_node(name)]

    def _attributes_dict(self, argument: Sequence[Any], frame: Frame) -> dict[str, dict[str, Any]]:
        name = self._node_meant(argument[0], frame)
        paths = [part if isinstance(part, list) else [part] for part in argument[1:]]
        return {
            instance["id"]: {".".join(path): self._attribute_of(instance, path, frame) for path in paths}
            for instance in self._instances.of_node(name)
        }

    def _secret(self, argument: Any, frame: Frame) -> Any:
        key = argument[0] if isinstance(argument, list) else argument
        if not isinstance(key, str):
            text = evaluation_text("get_secret", f"a secret's name must be a string, not {key!r}")
            self._fail(Fault.FEE, text, frame, argument)
        value = self._ask("get_secret", frame, self._storage.get_secret, key)
        if not isinstance(argument, list):
            return value
        try:
            return step_through(json.loads(value) if isinstance(value, str) else value, argument[1:], str(key))
        except (ValueError, RecursionError) as error:
            # The value itself stays out of the message.
            text = evaluation_text("get_secret", f"secret '{key}' is not JSON: {error}")
            self._fail(Fault.FEE, text, frame, argument)
        except StepError as error:
            self._fail(Fault.FEE, evaluation_text("get_secret", str(error)), frame, argument)

    def _capability(self, function: str, argument: Sequence[Any], frame: Frame) -> Any:
        deployment, name, *path = argument
        value = self._ask("get_capability", frame, self._storage.get_capability, deployment, name)
        try:
            return step_through(value, path, str(name))
        except StepError as error:
            text = evaluation_text(function, f"in deployment '{deployment}': {error}")
            self._fail(Fault.FEE, text, frame, argument)

    def _group_capability(self, argument: Sequence[Any], frame: Frame) -> Any:
        group, wanted, *path = argument
        deployments = sorted(self._ask("get_group_capability", frame, self._storage.get_group_deployments, group))
        keyed = isinstance(wanted, str) and wanted.startswith(BY_DEPLOYMENT)
        name = wanted[len(BY_DEPLOYMENT) :] if keyed else wanted
        found: dict[str, Any] = {}
        for deployment in deployments:
            names = name if isinstance(name, list) else [name]
            values = [value for part in names for value in self._if_any(deployment, part, path)]
            if values:
                found[deployment] = values if isinstance(name, list) else values[0]
        return found if keyed else list(found.values())

    def _if_any(self, deployment: str, name: Any, path: Sequence[Any]) -> list[Any]:
        """Return a capability's value as a list of one, or nothing when the deployment does not have it."""
        try:
            return [step_through(self._storage.get_capability(deployment, name), path, str(name))]
        except (KeyError, StepError):
            return []

    def _environment_capability(self, argument: Any, frame: Frame) -> Any:
        parents = self._ask("get_label", frame, self._storage.get_label, PARENT_LABEL)
        if not parents:
            text = evaluation_text("get_environment_capability", f"the deployment has no label {PARENT_LABEL}")
            self._fail(Fault.FEE, text, frame, argument)
        path = argument if isinstance(argument, list) else [argument]
        return self._capability("get_environment_capability", [parents[0], *path], frame)

    def _label(self, argument: Any, frame: Frame) -> Any:
        key, index = argument if isinstance(argument, list) else (argument, None)
        values = self._ask("get_label", frame, self._storage.get_label, key)
        if not values:
            self._fail(Fault.FEE, evaluation_text("get_label", f"the deployment has no label '{key}'"), frame, key)
        if index is None:
            return list(values)
        try:
            return values[int(index)]
        except IndexError:
            text = f"label '{key}' has {len(values)} values, but index {index} is retrieved"
            self._fail(Fault.FEE, evaluation_text("get_label", text), frame, argument)

    def _system(self, argument: Sequence[Any], frame: Frame) -> Any:
        return self._ask("get_sys", frame, self._storage.get_system, argument[0], argument[1])

    def _consumers(self, argument: str, frame: Frame) -> Any:
        consumers = self._ask("get_consumers", frame, self._storage.get_consumers)
        if argument == "count":
            return len(consumers)
        return [item["id" if argument == "ids" else "display_name"] for item in consumers]
