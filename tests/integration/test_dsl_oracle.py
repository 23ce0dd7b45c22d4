"""The reference parser and ours agree on the plan of every blueprint, and on kind and code of every refusal.

The reference runs in an environment of its own: where ``CFY_VENV`` points, default ``.venv-cfy`` in the repository.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manager_core.dsl.errors import FAULT_NAMES, DslErrors
from manager_core.dsl.resolver import BUILTIN_TYPES
from tests.support.blueprint_cases import Case, blueprints_beside, parse_case, read_cases
from tests.support.plan_comparison import comparable, first_difference

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("CFY_VENV") or ROOT / ".venv-cfy") / "bin" / "python"
DRIVER = Path(__file__).with_name("dsl_reference.py")

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not REFERENCE.exists(), reason=f"the reference environment is not at {REFERENCE.parent.parent}"),
]

CASES = read_cases()
CRASHES = {"TypeError", "AttributeError", "RuntimeError", "DSLParsingElementMatchException", "ValueError", "KeyError",
           "ScannerError", "ComposerError", "ConstructorError"}  # fmt: skip
"""Exceptions that escape from the reference where ours has a tidier kind (contract §0, §1)."""
SHORT = {name: str(fault) for fault, name in FAULT_NAMES.items()}


class Reference:
    """The reference parser, one process for all questions."""

    def __init__(self, resources: Path) -> None:
        self.resources = resources
        self.process = subprocess.Popen(
            [str(REFERENCE), str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, main: Path) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {
            "path": str(main),
            "resources": str(self.resources),
            "plugins": str(main.parent / "plugins"),
            "blueprints": {name: str(path) for name, path in blueprints_beside(main.parent).items()},
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    resources = tmp_path_factory.mktemp("resources")
    types = resources / "cloudify" / "types"
    types.mkdir(parents=True)
    for path in BUILTIN_TYPES.glob("types*.yaml"):
        shutil.copy(path, types)
    asked = Reference(resources)
    yield asked
    asked.close()


def test_the_corpus_covers_enough() -> None:
    """At least 60 blueprints, valid and invalid ones."""
    valid = [case for case in CASES if case.outcome == "plan"]
    assert len(CASES) >= 60
    assert len(valid) >= 30
    assert len(CASES) - len(valid) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.topic}: {case.title}")
def test_the_reference_agrees(case: Case, reference: Reference, tmp_path: Path) -> None:
    """Both accept and the plans are equal, or both refuse and our problems include the one the reference met."""
    main = case.write(tmp_path)
    answer = reference.ask(main)
    try:
        plan = parse_case(main)
    except DslErrors as errors:
        assert "error" in answer, f"only we refuse: {errors}"
        kind, code = answer["error"]["kind"], answer["error"]["code"]
        ours = {(problem.exception_name, problem.code) for problem in errors.problems}
        assert (kind, code) in ours or kind in CRASHES, f"{answer['error']} is not among {errors}"
        return
    assert "plan" in answer, f"only the reference refuses: {answer['error']}"
    assert first_difference(comparable(plan), comparable(answer["plan"])) is None
