"""How calls are replaced by their values, at preparation and at run time alike (contract §15.3).

Depth first: the calls in an argument, then the call, then its result again until nothing changes. Nothing is changed
in place: a value without calls is returned as the very same object, so evaluating costs memory only where something
was replaced. Depth, work and text are bounded, because blueprints come from strangers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NoReturn

from manager_core.dsl.errors import DslErrors, Fault, Path
from manager_core.dsl.functions.catalogue import TYPE_KEY, function_name, is_function
from manager_core.dsl.functions.places import Scope, render_trail
from manager_core.dsl.functions.shapes import complaint, evaluation_text
from manager_core.dsl.functions.text import PURE, CallFailed, apply
from manager_core.dsl.functions.walking import StepError, step_through
from manager_core.dsl.value_types import accepts_literal

MAX_DEPTH = 50
"""Levels of nesting, plain containers counted as well."""
MAX_WORK = 5_000_000
"""Values visited in one evaluation."""
MAX_TEXT = 128 * 1024 * 1024
"""Characters in the values visited, each counted as often as it is used."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Whose call it is.

    Attributes:
        scope: the kind of place, None where only the caller's context counts.
        where: dotted plan path of the container being evaluated, for messages.
        source: path of that container in the blueprint, for messages.
        node: the node template that SELF (or SOURCE) stands for.
        target: the node template that TARGET stands for.
        self_id: at run time, the node instance that SELF stands for.
        source_id: at run time, the node instance that SOURCE stands for.
        target_id: at run time, the node instance that TARGET stands for.
    """

    scope: Scope | None = None
    where: str = ""
    source: Path = ()
    node: str | None = None
    target: str | None = None
    self_id: str | None = None
    source_id: str | None = None
    target_id: str | None = None


class Evaluator(ABC):
    """Replaces calls by values; subclasses say where inputs, properties and run-time values come from.

    Attributes:
        calls: calls met so far.
        waiting: calls met so far that were left for run time.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.waiting = 0
        self._work = 0
        self._text = 0
        self._trail: list[str | int] = []
        self._depth = 0
        self._plain: dict[int, tuple[int, int]] = {}
        self._resolved: dict[tuple[str | None, Any], Any] | None = None

    def container(self, container: Any, frame: Frame) -> Any:
        """Evaluate the members of a mapping or list; the container itself is never read as a call.

        Returns:
            The same object when it holds no call that could be replaced, else a new one.

        Raises:
            DslErrors: what the contract names for each function; EvaluationRecursionLimitReached past the bounds.
        """
        del self._trail[:]
        return self._members(container, frame, 0)

    @abstractmethod
    def _resolve(self, name: str, argument: Any, call: Any, frame: Frame) -> tuple[Any, Frame]:
        """Return the value of a well-formed call that is not a pure function, and the frame to go on in.

        Returning `call` itself means that it stays.
        """

    def _members(self, value: Any, frame: Frame, depth: int) -> Any:
        if not value:
            return value
        if depth >= MAX_DEPTH:
            text = f"The recursion limit ({MAX_DEPTH}) has been reached at {self._where(frame)}"
            self._fail(Fault.RECURSION_LIMIT, text, frame)
        self._count(len(value), 0, frame)
        changed: Any = None
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in items:
            if isinstance(member, dict | list):
                self._trail.append(key)
                new = self._value(member, frame, depth + 1)
                self._trail.pop()
                if new is not member:
                    if changed is None:
                        changed = value.copy()
                    changed[key] = new
            elif isinstance(member, str):
                self._text += len(member)
        return value if changed is None else changed

    def _value(self, value: Any, frame: Frame, depth: int) -> Any:
        seen: dict[tuple[str | None, str], None] = {}
        passed: list[tuple[str | None, Any]] = []
        while True:
            size = self._plain.get(id(value))
            if size is not None:
                self._count(*size, frame)
                break
            value = self._members(value, frame, depth)
            name = function_name(value)
            if name is None:
                break
            self.calls += 1
            self._depth = depth
            result, new_frame = self._call(name, value, frame)
            if result is value or result == value:
                break
            if name == "get_property" and len(value[name]) == 2:
                passed.append((new_frame.node, value[name][1]))
            value, frame = result, new_frame
            if isinstance(value, str):
                self._count(1, len(value), frame)
            if not isinstance(value, dict | list):
                break
            if is_function(value):
                # A chain of references is followed however long it is; only one that bites its tail is refused.
                key = (frame.node, repr(value))
                if key in seen:
                    text = f"The recursion limit ({MAX_DEPTH}) has been reached: {value} refers to itself"
                    self._fail(Fault.RECURSION_LIMIT, text, frame)
                seen[key] = None
        if self._resolved is not None:
            self._resolved.update((key, value) for key in passed)
        return value

    def _call(self, name: str, call: Any, frame: Frame) -> tuple[Any, Frame]:
        argument = call[name]
        wrong = complaint(name, argument)
        if wrong is not None:
            self._fail(wrong[0], wrong[1], frame, argument)
        if name not in PURE or not self._evaluates(name):
            return self._resolve(name, argument, call, frame)
        try:
            return apply(name, argument, call), frame
        except CallFailed as error:
            self._fail(error.kind, error.text, frame, argument)

    def _evaluates(self, name: str) -> bool:
        """Tell whether pure functions are evaluated now."""
        return True

    def _read_input(self, value: Any, argument: Any, call: Any, frame: Frame) -> Any:
        """Step into an input's value and check the declared type of the result."""
        path = argument[1:] if isinstance(argument, list) else []
        name = argument[0] if isinstance(argument, list) else argument
        if path:
            try:
                value = step_through(value, path, str(name))
            except StepError as error:
                if error.scalar:
                    self._fail(Fault.FEE, evaluation_text("get_input", str(error)), frame, argument)
                self._fail(Fault.INPUT_EVALUATION, f"Input {error}", frame, argument)
        declared = call.get(TYPE_KEY)
        if declared is not None and not (isinstance(declared, str) and accepts_literal(declared, value)):
            text = (
                f"Value '{value}' of input '{name}' does not match data type declared for "
                f"'{self._where(frame)}': '{declared}'."
            )
            self._fail(Fault.INPUT_EVALUATION, text, frame, value)
        return value

    def _remember_plain(self, value: Any, work: int, text: int) -> None:
        """Note that a container holds no call, so that later readers need not search it; it must stay alive."""
        if isinstance(value, dict | list):
            self._plain[id(value)] = (work, text)

    def _count(self, work: int, text: int, frame: Frame) -> None:
        self._work += work
        self._text += text
        if self._work > MAX_WORK or self._text > MAX_TEXT:
            self._fail(Fault.RECURSION_LIMIT, "The recursion limit has been reached: the values grow too large", frame)

    def _where(self, frame: Frame) -> str:
        return frame.where + render_trail(tuple(self._trail))

    def _fail(self, kind: Fault, text: str, frame: Frame | None = None, value: Any = None) -> NoReturn:
        path = (*frame.source, *self._trail) if frame is not None and frame.source else ()
        raise DslErrors.single(kind, None, text, path, value=value)
