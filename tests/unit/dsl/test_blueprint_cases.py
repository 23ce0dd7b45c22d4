"""Every blueprint under `tests/data/blueprints` becomes a plan, or is refused with the kind and code beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from manager_core.dsl.errors import DslErrors
from tests.support.blueprint_cases import Case, our_outcome, parse_case, read_cases

CASES = read_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.topic}: {case.title}")
def test_a_blueprint_has_the_outcome_that_is_written_beside_it(case: Case, tmp_path: Path) -> None:
    """The outcome is among ours: we report every problem, the file names the one the reference meets first."""
    outcome = our_outcome(case.write(tmp_path))
    assert case.outcome in outcome
    assert ("plan" in outcome) == (case.outcome == "plan")


@pytest.mark.parametrize("case", [case for case in CASES if case.outcome != "plan"], ids=lambda case: case.title)
def test_a_refusal_says_where_and_what(case: Case, tmp_path: Path) -> None:
    """Each problem has a message and the name of a file; its line is that of a file's text."""
    with pytest.raises(DslErrors) as caught:
        parse_case(case.write(tmp_path))
    for problem in caught.value.problems:
        assert problem.message
        assert problem.file
        if problem.line is not None:
            lines = Path(problem.file).read_text().splitlines() if Path(problem.file).exists() else []
            assert not lines or 1 <= problem.line <= len(lines) + 1
        json.dumps(problem.as_dict())


@pytest.mark.parametrize("case", [case for case in CASES if case.outcome == "plan"], ids=lambda case: case.title)
def test_a_plan_is_plain_json(case: Case, tmp_path: Path) -> None:
    """A plan survives the way through JSON unchanged."""
    plan = parse_case(case.write(tmp_path))
    assert json.loads(json.dumps(plan)) == plan
