"""Refusals of the blueprint language: one `Problem` a finding, one `DslErrors` for all of them.

The kinds and integer codes are those of the language contract (§0, §19), so that tools which tell errors apart
by kind and code go on working. A problem names the path inside the blueprint; `parser` turns it into file, line
and column when it raises.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from manager_core.errors import Kind, ManagerError

Path = tuple[str | int, ...]

MAX_SUGGESTIONS = 100
"""Problems that come with the nearest name; comparing names is what costs."""


class Fault(StrEnum):
    """The exception kinds of the contract, by their short names."""

    FMT = "FMT"
    LOG = "LOG"
    DSL = "DSL"
    INP = "INP"
    NRE = "NRE"
    VAL = "VAL"
    KEY = "KEY"
    TYPE = "TYPE"
    FVE = "FVE"
    FEE = "FEE"
    UNKNOWN_INPUT = "UnknownInputError"
    INPUT_EVALUATION = "InputEvaluationError"
    MISSING_INPUT = "MissingRequiredInputError"
    CONSTRAINT = "ConstraintException"
    UNKNOWN_SECRET = "UnknownSecretError"  # noqa: S105 - the name of an error
    UNSUPPORTED_GET_SECRET = "UnsupportedGetSecretError"  # noqa: S105 - the name of an error
    UNKNOWN_SYS_ENTITY = "UnknownSysEntityError"
    UNKNOWN_SYS_PROPERTY = "UnknownSysPropertyError"
    RECURSION_LIMIT = "EvaluationRecursionLimitReached"
    UNSUPPORTED_RELATIONSHIP = "UnsupportedRelationship"
    ILLEGAL_CONNECTION_TYPE = "IllegalConnectedToConnectionType"
    ALL_TO_ONE_IN_GROUP = "UnsupportedAllToOneInGroup"
    ALL_TO_ONE_STATE = "IllegalAllToOneState"
    IMPORT = "InvalidBlueprintImport"


FAULT_NAMES: dict[Fault, str] = {
    Fault.FMT: "DSLParsingFormatException",
    Fault.LOG: "DSLParsingLogicException",
    Fault.DSL: "DSLParsingException",
    Fault.INP: "DSLParsingInputTypeException",
    Fault.NRE: "NonRecoverableError",
    Fault.VAL: "ValueError",
    Fault.KEY: "KeyError",
    Fault.TYPE: "TypeError",
    Fault.FVE: "FunctionValidationError",
    Fault.FEE: "FunctionEvaluationError",
}
"""Short name → the exception name clients know; kinds that are not here are known by their own value."""


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        kind: the contract's kind.
        code: the contract's integer code, or None where it has none.
        message: one sentence or more; the first line is what clients match on.
        path: where in the blueprint, from the top: section, name, key …; list items by index.
        value: the offending value, or None.
        suggestion: the nearest valid name, or None.
        file: the file's name as it was imported, once located.
        line: 1-based line, once located.
        column: 1-based column, once located.
    """

    kind: Fault
    code: int | None
    message: str
    path: Path = ()
    value: Any = None
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    @property
    def exception_name(self) -> str:
        """The kind's full exception name."""
        return FAULT_NAMES.get(self.kind, str(self.kind))

    def at(self, file: str | None, line: int | None, column: int | None) -> Problem:
        """Return the same finding with its place in the text."""
        return replace(self, file=file, line=line, column=column)

    def render(self) -> str:
        """Return the message followed by the location lines clients know (contract §0)."""
        lines = [self.message]
        if self.file is not None:
            lines.append(f"  in: {self.file}")
        if self.line is not None:
            lines.append(f"  in line: {self.line}, column: {self.column}")
        if self.path:
            lines.append("  path: " + ".".join(str(part) for part in self.path))
        if self.value is not None:
            text = repr(self.value)
            lines.append(f"  value: {text if len(text) <= 200 else text[:200] + '…'}")
        if self.suggestion is not None:
            lines.append(f"  did you mean: {self.suggestion}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-serialisable data."""
        value = self.value if isinstance(self.value, str | int | float | bool | None) else repr(self.value)[:200]
        return {
            "kind": self.exception_name,
            "code": self.code,
            "message": self.message,
            "path": ".".join(str(part) for part in self.path),
            "value": value,
            "suggestion": self.suggestion,
            "file": self.file,
            "line": self.line,
            "column": self.column,
        }


class DslErrors(ManagerError):
    """Everything that is wrong with a blueprint, in one go.

    Attributes:
        problems: at least one finding, in the order of the text where known.
    """

    code = "invalid_blueprint_error"
    kind = Kind.BAD_INPUT

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))

    @classmethod
    def single(
        cls,
        kind: Fault,
        code: int | None,
        message: str,
        path: Path = (),
        *,
        value: Any = None,
        suggestion: str | None = None,
    ) -> DslErrors:
        """Build the exception for one finding."""
        return cls([Problem(kind, code, message, path, value, suggestion)])


class Findings:
    """Collects problems while a stage goes on checking."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self.problems)

    def add(
        self,
        kind: Fault,
        code: int | None,
        message: str,
        path: Path,
        *,
        value: Any = None,
        suggestion: str | None = None,
    ) -> None:
        """Record one finding."""
        self.problems.append(Problem(kind, code, message, path, value, suggestion))

    def nearest(self, name: Any, known: Iterable[Any]) -> str | None:
        """Return the nearest of the known names, as `nearest`; None once there are many problems already."""
        return nearest(name, known) if len(self.problems) < MAX_SUGGESTIONS else None

    def fmt(self, message: str, path: Path, value: Any = None, suggestion: str | None = None) -> None:
        """Record a wrong shape: FMT(1)."""
        self.problems.append(Problem(Fault.FMT, 1, message, path, value, suggestion))

    def log(self, code: int, message: str, path: Path, value: Any = None, suggestion: str | None = None) -> None:
        """Record a semantic error: LOG(code)."""
        self.problems.append(Problem(Fault.LOG, code, message, path, value, suggestion))


def nearest(name: Any, known: Iterable[Any]) -> str | None:
    """Return the known name most like `name`, or None when none is near."""
    if not isinstance(name, str):
        return None
    candidates: Sequence[str] = [item for item in known if isinstance(item, str)]
    if len(candidates) > 5000 or len(name) > 300:
        return None
    found = difflib.get_close_matches(name, candidates, n=1, cutoff=0.65)
    return found[0] if found else None
