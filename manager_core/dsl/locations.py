"""From the path of a problem in the merged blueprint to its place in a file."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.errors import Path, Problem
from manager_core.dsl.merge import Merged, SourceFile
from manager_core.dsl.source import locate


def place(problems: list[Problem], merged: Merged | None, main: SourceFile) -> list[Problem]:
    """Give every problem its file, line and column, and drop repetitions.

    Args:
        problems: the findings, those of the YAML layer already placed.
        merged: the merged blueprint, or None when it never came to be.
        main: the main file.

    Returns:
        The problems, those of the main file first, each file's in the order of its lines.
    """
    unique = list({(item.kind, item.code, item.message, item.path): item for item in problems}.values())
    sources = [_source(problem, merged, main) for problem in unique]
    # Files of several archives may have one name: they are told apart by their text.
    wanted: dict[str, list[Path]] = {}
    for problem, (file, path) in zip(unique, sources, strict=True):
        if problem.file is None and path:
            wanted.setdefault(file.text, []).append(path)
    places = {text: locate(text, paths) for text, paths in wanted.items()}
    placed: list[Problem] = []
    for problem, (file, path) in zip(unique, sources, strict=True):
        if problem.file is None:
            line, column = places.get(file.text, {}).get(path, (None, None))
            problem = problem.at(file.name, line, column)
        placed.append(problem)
    order = {file.name: index for index, file in enumerate(merged.files if merged is not None else [main])}
    return sorted(placed, key=lambda item: (order.get(item.file or "", 0), item.line or 0))


def _source(problem: Problem, merged: Merged | None, main: SourceFile) -> tuple[SourceFile, Path]:
    """Return the file that a problem's path leads into, and the path in that file."""
    path = problem.path
    if merged is None or not path:
        return main, path
    section: Any = path[0]
    origin = merged.origins.get((section, path[1])) if len(path) > 1 else None
    if origin is not None:
        return origin.file, (section, origin.name, *path[2:])
    if section == "imports":
        return main, path
    return merged.section_origins.get(section, main), path
