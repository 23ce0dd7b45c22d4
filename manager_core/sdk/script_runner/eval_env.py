"""Evaluates a Python script in this process, as if it were the main program."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any


def setup_env_and_globals(script_path: str) -> dict[str, Any]:
    """Return the globals a script is evaluated with."""
    return {"__builtins__": __builtins__, "__name__": "__main__", "__file__": script_path, "__doc__": None}


def evaluate(script_path: str) -> None:
    """Run a Python script; raises what it raises."""
    source = Path(script_path).read_bytes()
    # Tracebacks show its lines also when the file is gone; an entry without a time is not checked against the disk.
    lines = source.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[script_path] = (len(source), None, lines, script_path)
    exec(compile(source, script_path, "exec"), setup_env_and_globals(script_path))
