"""Every name that plugins and workflows import exists (workflow-runtime contract §1.1)."""

from __future__ import annotations

import importlib

import pytest

from tests.support.import_surface import SURFACE


@pytest.mark.parametrize("module", SURFACE)
def test_a_module_offers_every_name_of_the_contract(module: str) -> None:
    """Each name of the contract's table is there under exactly that name."""
    offered = importlib.import_module(module)
    missing = [name for name in SURFACE[module].split() if not hasattr(offered, name)]
    assert missing == []
