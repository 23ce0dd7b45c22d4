"""The documentation is true: its Python examples run, its links lead somewhere, README's tour works as printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clock import PATIENCE
from tests.support.processes import PASSWORD, REPOSITORY, Cfy, Manager, cfy_environment

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


EXAMPLES = [
    pytest.param(code, id=f"{page.relative_to(REPOSITORY)}-{number}")
    for page in PAGES
    for number, code in enumerate(blocks(page, "python"))
    if page.name != "write-a-workflow.md"  # its files are run together, by test_authors_guide
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_a_python_example_runs_as_printed(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "CLOUDIFY_ADMIN_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.reference
@pytest.mark.skipif(cfy_environment() is None, reason="no reference environment (make install-cfy)")
def test_the_tour_of_the_readme_works_as_printed(tmp_path: Path) -> None:
    tour = (REPOSITORY / "README.md").read_text().split("## Five minutes")[1].split("\n## ")[0]
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", tour, re.MULTILINE | re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("cfy ")
    ]
    assert len(commands) >= 6
    manager = Manager(tmp_path / "data").ready()
    try:
        cfy = Cfy(tmp_path / "home", manager)
        cfy(*cfy.profile)
        for command in commands:
            words = shlex.split(command)[1:]
            if words[:2] == ["profiles", "use"]:
                continue  # names the default port and the generated password
            words = [str(REPOSITORY / word) if word.startswith("blueprints/") else word for word in words]
            cfy(*words)
        listed = cfy("deployments", "schedule", "list", "hello")
        assert "every-minute" in listed
        assert "evening" in listed
    finally:
        manager.kill_group()
