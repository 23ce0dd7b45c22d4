"""State corrupted at a restart, the eighteenth pain: a start finds all that was committed, or says what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from manager_core.bootstrap import build
from tests.support.databases import SqliteTemplate, test_settings
from tests.support.rows import a_deployment


def names(data_dir: Path) -> list[str]:
    """Start on a data directory and return the deployments found."""
    core = build(test_settings(data_dir))
    try:
        with core.store.read() as session:
            return sorted(session.connection().exec_driver_sql("SELECT id FROM deployments").scalars())
    finally:
        core.close()


def test_pain_18_what_was_committed_before_the_power_went_is_there(
    sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    """The files are copied as they lie on the disk while the manager runs, also with the end of its log torn off."""
    sqlite_template.copy_into(tmp_path / "running")
    core = build(test_settings(tmp_path / "running"))
    for number in range(5):
        a_deployment(core, f"d{number}")
    lost = tmp_path / "lost"
    lost.mkdir()
    for path in (tmp_path / "running").glob("manager.db*"):
        shutil.copy(path, lost / path.name)
    torn = tmp_path / "torn"
    shutil.copytree(lost, torn)
    log = torn / "manager.db-wal"
    log.write_bytes(log.read_bytes()[:-1000])
    core.close()
    assert names(lost) == ["d0", "d1", "d2", "d3", "d4"]
    assert names(torn) in ([f"d{number}" for number in range(count)] for count in (4, 5))


@pytest.mark.parametrize("damage", ["overwritten", "truncated", "another file"])
def test_pain_18_a_damaged_file_is_reported_and_left_as_it_is(
    sqlite_template: SqliteTemplate, tmp_path: Path, damage: str
) -> None:
    """No guess and no repair behind the operator's back: the start is refused, naming the file."""
    sqlite_template.copy_into(tmp_path)
    file = tmp_path / "manager.db"
    content = bytearray(file.read_bytes())
    if damage == "overwritten":
        content[8192:40960] = b"\x5a" * 32768
    elif damage == "truncated":
        content = content[: len(content) // 2]
    else:
        content = bytearray(b"this is a letter, not a database" * 1000)
    file.write_bytes(content)
    with pytest.raises(RuntimeError, match=r"the database file .*manager\.db is damaged"):
        build(test_settings(tmp_path))
    assert file.read_bytes() == bytes(content)
