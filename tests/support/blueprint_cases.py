"""Reads `tests/data/blueprints/*.cases`: many small blueprints a file, each with a title and its outcome.

A case begins with ``=== title => outcome``; the outcome is ``plan`` or the kind and code of a refusal, for instance
``LOG(103)``. The main file follows; a line ``--- path`` begins another file beside it. Below ``plugins/NAME/VERSION/``
are plugins, below ``blueprints/ID/`` other blueprints, whose main file is ``blueprint.yaml``. ``scripts/run.sh`` is
there in every case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from manager_core.dsl.errors import DslErrors, Problem
from manager_core.plan_command import load_plan

FOLDER = Path(__file__).resolve().parents[1] / "data" / "blueprints"
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


@dataclass
class Case:
    """One blueprint and what becomes of it."""

    topic: str
    title: str
    outcome: str
    main: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the case's files below `folder`; return the main file."""
        for name, text in {"blueprint.yaml": self.main, "scripts/run.sh": "", **self.files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder / "blueprint.yaml"


def read_cases(folder: Path = FOLDER) -> list[Case]:
    """Return every case, in the order of the files."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.cases")):
        for block in path.read_text().split("\n=== ")[1:]:
            header, _, body = block.partition("\n")
            title, _, outcome = header.rpartition(" => ")
            main, *others = body.split("\n--- ")
            case = Case(path.stem, title, outcome, main.rstrip("\n") + "\n")
            for other in others:
                name, _, text = other.partition("\n")
                case.files[name] = text.rstrip("\n") + "\n"
            cases.append(case)
    return cases


def blueprints_beside(folder: Path) -> dict[str, Path]:
    """Return id → main file of the blueprints that a case brings along."""
    return {path.parent.name: path for path in folder.glob("blueprints/*/blueprint.yaml")}


def parse_case(main: Path) -> dict[str, Any]:
    """Parse a case that has been written to disk."""
    return load_plan(main, now=NOW, plugins=main.parent / "plugins", blueprints=blueprints_beside(main.parent))


def outcome_of(problem: Problem) -> str:
    """Return a problem's kind and code as the case files write them."""
    return f"{problem.kind}({problem.code})" if problem.code is not None else str(problem.kind)


def our_outcome(main: Path) -> list[str]:
    """Return ``["plan"]``, or the kinds and codes of the refusal."""
    try:
        parse_case(main)
    except DslErrors as errors:
        return [outcome_of(problem) for problem in errors.problems]
    return ["plan"]
