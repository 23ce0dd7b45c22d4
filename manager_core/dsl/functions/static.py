"""Evaluation at preparation: inputs and properties are known, nothing else is (contract §15.2, §16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manager_core.dsl.errors import Fault, nearest
from manager_core.dsl.functions.catalogue import RUNTIME, SELF, SOURCE, TARGET, is_function
from manager_core.dsl.functions.evaluation import Evaluator, Frame
from manager_core.dsl.functions.places import Scope
from manager_core.dsl.functions.shapes import evaluation_text
from manager_core.dsl.functions.walking import PropertyPathError, walk_property


class StaticEvaluator(Evaluator):
    """Evaluates what a deployment's inputs and its nodes' properties decide; run-time calls stay.

    Attributes:
        inputs: name → value; a value that holds calls is replaced by its evaluated form when first read.
        properties: node name → its properties, as far as they have been evaluated.
    """

    def __init__(
        self, inputs: Mapping[str, Any], properties: Mapping[str, Mapping[str, Any]], *, runtime_only: bool = False
    ) -> None:
        super().__init__()
        self.inputs = dict(inputs)
        self.properties = dict(properties)
        self._runtime_only = runtime_only
        # Whole properties met on the way of a chain of references, each evaluated for its own node.
        self._resolved = {}

    def node_properties(self, node: str, frame: Frame) -> Mapping[str, Any]:
        """Evaluate one node's properties, one after the other; readers of a property see the newest form."""
        original = self.properties[node]
        current = original
        del self._trail[:]
        for key, value in original.items():
            if not isinstance(value, dict | list):
                continue
            before = (self.waiting, self._work, self._text)
            self._trail.append(key)
            new = self._value(value, frame, 1)
            self._trail.pop()
            if new is not value:
                if current is original:
                    current = dict(original)
                    self.properties[node] = current
                current[key] = new  # type: ignore[index] # a copy made two lines above
            if self.waiting == before[0]:
                self._remember_plain(new, self._work - before[1], self._text - before[2])
        return current

    def _evaluates(self, name: str) -> bool:
        return not self._runtime_only

    def _resolve(self, name: str, argument: Any, call: Any, frame: Frame) -> tuple[Any, Frame]:
        if self._runtime_only or name in RUNTIME:
            self.waiting += 1
            return call, frame
        if name == "get_input":
            return self._get_input(argument, call, frame), frame
        return self._get_property(argument, frame)

    def _get_input(self, argument: Any, call: Any, frame: Frame) -> Any:
        name = argument[0] if isinstance(argument, list) else argument
        parts = argument if isinstance(argument, list) else [argument]
        if any(is_function(part) for part in parts):
            text = evaluation_text("get_input", f"found an unresolved argument in {argument}")
            self._fail(Fault.FEE, text, frame, argument)
        if name not in self.inputs:
            text = f"get_input function references an unknown input '{name}'."
            hint = nearest(name, self.inputs)
            self._fail(Fault.UNKNOWN_INPUT, text + (f" Did you mean '{hint}'?" if hint else ""), frame, name)
        if len(parts) == 1:
            self._evaluate_input(name, frame)
        return self._read_input(self.inputs[name], argument, call, frame)

    def _evaluate_input(self, name: str, frame: Frame) -> None:
        """Evaluate the members of an input once for all its readers.

        An input that is itself a call keeps it, with its arguments evaluated: each reader evaluates the call.
        """
        value = self.inputs[name]
        if not isinstance(value, dict | list) or id(value) in self._plain:
            return
        before = (self.waiting, self._work, self._text)
        self.inputs[name] = value = self._members(value, frame, self._depth)
        if self.waiting == before[0] and not is_function(value):
            self._remember_plain(value, self._work - before[1], self._text - before[2])

    def _get_property(self, argument: Any, frame: Frame) -> tuple[Any, Frame]:
        if any(is_function(part) for part in argument):
            text = evaluation_text("get_property", f"found an unresolved argument in {argument}")
            self._fail(Fault.FEE, text, frame, argument)
        name = self._node_named(argument[0], frame)
        new_frame = Frame(Scope.NODE, frame.where, frame.source, name)
        if self._resolved and len(argument) == 2 and (name, argument[1]) in self._resolved:
            return self._resolved[name, argument[1]], new_frame
        try:
            value = walk_property(self.properties[name], argument[1:], f"{name}.properties", self._where(frame))
        except PropertyPathError as error:
            self._fail(Fault.FEE, evaluation_text("get_property", str(error)), frame, argument)
        return value, new_frame

    def _node_named(self, name: Any, frame: Frame) -> str:
        found: Any = name
        if name == SELF:
            if frame.scope is not Scope.NODE:
                text = f"SELF can only be used in a context of node template but appears in {frame.scope}."
                self._fail(Fault.VAL, text, frame)
            found = frame.node
        elif name in (SOURCE, TARGET):
            if frame.scope is not Scope.RELATIONSHIP:
                text = f"{name} can only be used within a relationship but is used in {self._where(frame)}"
                self._fail(Fault.VAL, text, frame)
            found = frame.node if name == SOURCE else frame.target
        if not isinstance(found, str) or found not in self.properties:
            self._fail(Fault.KEY, f"Node {found} does not exist", frame, name)
        return found
