"""Find the function of a workflow, and the folders its code may be in (workflow-runtime contract §2.3, §3.2)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class NotLoadable(Exception):
    """A mapping names no function that could be called; the text says what is missing."""


def extend_path(folders: Iterable[str | Path]) -> None:
    """Put folders on `sys.path`, behind the SDK, which must win over what plugins bring along."""
    position = 1
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.insert(position, folder)
            position += 1


def load_function(mapping: str) -> Callable[..., Any]:
    """Import the function that a mapping names.

    Raises:
        NotLoadable: with the texts of the contract.
    """
    module_name, _, name = mapping.rpartition(".")
    if not module_name:
        raise NotLoadable(f"No module named {mapping} (the mapping must be MODULE.FUNCTION)")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise NotLoadable(f"No module named {error.name} ({mapping})") from error
    function = getattr(module, name, None)
    if function is None:
        raise NotLoadable(f"{module_name} has no function named '{name}'")
    if not callable(function):
        raise NotLoadable(f"{module_name}.{name} is not callable")
    return function  # type: ignore[no-any-return]
