"""Plugin packages as the file store keeps them: under a hash, without the name that says what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from manager_core.runtime.plugin_packages import inspect
from tests.support.plugins_made import wagon, wheel

CODE = {"my_plugin/__init__.py": "def f(**_):\n    return 1\n"}


@pytest.mark.parametrize("kind", ["wheel", "wagon"])
def test_a_package_without_its_name_keeps_its_requirements(tmp_path: Path, kind: str) -> None:
    """A wheel is known by what is in it, and gets back the name that pip wants."""
    made = wheel(tmp_path / "made", "my-plugin", "1.0", CODE, requires=["cloudify-common>=7", "helper==2.0"])
    package = wagon(tmp_path / "made", "my-plugin", "1.0", [made]) if kind == "wagon" else made
    stored = tmp_path / "0a1b2c"
    package.rename(stored)
    found = inspect(stored, tmp_path / "unpacked")
    assert (found.kind, found.name, found.requirements) == (kind, "my-plugin", ("helper==2.0",))
    if kind == "wheel":
        assert found.path.name == "my_plugin-1.0-py3-none-any.whl"


def test_the_tags_of_a_wheel_are_joined_in_its_name(tmp_path: Path) -> None:
    """For several Pythons there is one name."""
    import zipfile

    stored = tmp_path / "0a1b2c"
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("p-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: p\nVersion: 1\n")
        archive.writestr("p-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nTag: py2-none-any\n")
    assert inspect(stored, tmp_path / "unpacked").path.name == "p-1-py2.py3-none-any.whl"
