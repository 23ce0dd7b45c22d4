"""The authors' guide, followed to the letter: its files in an empty folder, its commands through the real `cfy`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.life import needs_cfy, until
from tests.support.processes import REPOSITORY, Manager
from tests.support.warm_cfy import WarmCfy

GUIDE = (REPOSITORY / "docs" / "how-to" / "write-a-workflow.md").read_text()
ENDED = {"completed", "failed", "cancelled"}

pytestmark = needs_cfy


def write_files(folder: Path) -> None:
    """Make the guide's files."""
    files = re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(files) == 5
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commands(title: str) -> list[list[str]]:
    """Return the commands of one section, as words."""
    section = GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


class Author:
    """Somebody who follows the guide."""

    def __init__(self, cfy: WarmCfy, manager: Manager, folder: Path) -> None:
        self.cfy = cfy
        self.manager = manager
        self.folder = folder

    def executions(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.manager.get("/executions?deployment_id=rollout")["items"]
        return [row for row in found if row["workflow_id"] in {"rollout", "patrol"}]

    def instances(self) -> dict[str, dict[str, object]]:
        rows = self.manager.get("/node-instances?deployment_id=rollout")["items"]
        return {row["id"]: row["runtime_properties"] for row in rows}

    def run(self, words: list[str], *, ok: bool = True) -> str:
        """Run a command with the placeholders of the guide filled in."""
        filled = [str(self.folder / word) if word == "blueprint.yaml" else word for word in words]
        if "ID" in filled:
            filled[filled.index("ID")] = self.newest()["id"]
        if "INSTANCE" in filled:
            filled[filled.index("INSTANCE")] = min(self.instances())
        return self.cfy(*filled, ok=ok)

    def newest(self) -> dict[str, str]:
        """Return the execution that was made last."""
        return max(self.executions(), key=lambda row: row["created_at"])

    def wait_until_ended(self) -> str:
        """Return the status with which the newest execution ended."""
        status: str = until(lambda: (found := self.newest()["status_display"]) in ENDED and found)
        return status

    def wait_until_it_runs(self, operation: str) -> None:
        """Wait until an operation of the newest execution is at work."""
        path = f"/events?execution_id={self.newest()['id']}&event_type=task_started"
        until(lambda: [row for row in self.manager.get(path)["items"] if row["operation"] == operation])


@pytest.fixture
def author(tmp_path: Path) -> Iterator[Author]:
    """An author with an empty folder and a running manager."""
    manager = Manager(tmp_path / "data").ready()
    try:
        cfy = WarmCfy(tmp_path / "home", manager)
        try:
            cfy(*cfy.profile)
            folder = tmp_path / "rollout"
            write_files(folder)
            yield Author(cfy, manager, folder)
        finally:
            cfy.close()
    finally:
        manager.kill_group()


def test_the_guide_works_from_the_empty_folder_to_the_resumed_workflow(author: Author) -> None:
    said = [author.run(words) for words in commands("Run it")]
    assert "now runs version 1.0" in said[3]
    assert said[4].count("1.0") >= 2
    assert "Round 2 done" in said[5]
    assert [values["deploys"] for values in author.instances().values()] == [1, 1]

    start, cancel, resume = commands("Cancel it")
    author.run(start, ok=False)
    author.wait_until_it_runs("rollout.soak")
    author.run(cancel)
    assert author.wait_until_ended() == "cancelled"
    first = sorted(values["deploys"] for values in author.instances().values())
    assert first == [1, 2]
    author.run(resume)
    assert author.wait_until_ended() == "completed"
    assert [values["deploys"] for values in author.instances().values()] == [2, 2]

    broken, *mended = commands("Let it fail")
    said = author.run(broken, ok=False)
    assert "version broken cannot be deployed" in said
    assert [values["deploys"] for values in author.instances().values()] == [2, 2]
    author.run(mended[0])
    author.run(mended[1], ok=False)
    assert author.wait_until_ended() == "failed"
    deploys = sum(int(str(values["deploys"])) for values in author.instances().values())
    author.run(mended[2])
    author.run(mended[3])
    assert author.wait_until_ended() == "completed"
    assert {values["version"] for values in author.instances().values()} == {"3.0"}
    assert sum(int(str(values["deploys"])) for values in author.instances().values()) <= deploys + 1
