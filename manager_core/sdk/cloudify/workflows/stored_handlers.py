"""Task handlers in storage: an import path, and for instances what they dump (contract §3.4)."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from cloudify.exceptions import NonRecoverableError


def dump_handler(handler: Any) -> dict[str, Any] | None:
    """Return a handler as data: ``path`` and, for an instance of a class, what its ``dump()`` returns.

    Raises:
        NonRecoverableError: the handler has no name to import it by (a lambda).
    """
    if handler is None:
        return None
    target = handler
    data: dict[str, Any] = {}
    if not inspect.isfunction(handler) and not inspect.isclass(handler) and not inspect.ismethod(handler):
        target = type(handler)
        if hasattr(handler, "dump"):
            data.update(handler.dump())
    name = getattr(target, "__name__", "")
    if not name.isidentifier():
        raise NonRecoverableError(f"Cannot serialize handler {handler}")
    data["path"] = f"{target.__module__}.{name}"
    return data


def load_handler(data: dict[str, Any] | None) -> Any:
    """Return the handler that was dumped.

    Raises:
        NonRecoverableError: its module has no such name (any more).
    """
    if not data:
        return None
    arguments = {key: value for key, value in data.items() if key != "path"}
    module_name, _, name = data["path"].rpartition(".")
    module = importlib.import_module(module_name)
    found = getattr(module, name, None)
    if found is None:
        raise NonRecoverableError(f"{module_name} has no function named '{name}'")
    return found(**arguments) if inspect.isclass(found) else found
