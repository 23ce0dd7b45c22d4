"""The files of one host alone: nothing is asked of others, and what is missing is told with what to set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from manager_core.bootstrap import Core
from manager_core.errors import BadParameters, NotFound
from manager_core.store.files import FileStore

CONTENT = b"content"
HASH = hashlib.sha256(CONTENT).hexdigest()


def test_a_file_is_found_where_it_was_put(tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    assert files.find("plugins", HASH) is None
    assert files.put("plugins", [CONTENT]) == HASH
    assert files.find("plugins", HASH) == files.require("plugins", HASH) == files.path("plugins", HASH)


def test_a_missing_one_is_named_with_the_setting_that_may_be_missing_too(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refused:
        FileStore(tmp_path).require("blueprints", HASH, "The archive of blueprint `bp`")
    assert refused.value.message == (
        f"The archive of blueprint `bp` (blueprints/{HASH}) is not on this host. When the API is on another one, "
        "CLOUDIFY_API_URL has to say where"
    )


def test_another_content_than_expected_is_not_taken_in(tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    temporary = files.temporary()
    temporary.write_bytes(b"another content")
    with pytest.raises(BadParameters, match=f"expected {HASH}"):
        files.adopt("plugins", temporary, HASH)
    assert temporary.exists()
    assert files.find("plugins", HASH) is None


def test_sqlite_is_one_host_whatever_its_address(sqlite_core: Core) -> None:
    assert not sqlite_core.files.fetches
