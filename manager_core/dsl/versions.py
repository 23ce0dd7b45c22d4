"""`tosca_definitions_version` and what each version added (contract §2.2)."""

from __future__ import annotations

from typing import Any

SUPPORTED: dict[str, tuple[int, int]] = {f"cloudify_dsl_1_{minor}": (1, minor) for minor in range(6)}
"""Version text → number."""


def text_of(version: tuple[int, int]) -> str:
    """Return the text of a version number."""
    return f"cloudify_dsl_{version[0]}_{version[1]}"


def plan_form(version: tuple[int, int]) -> dict[str, Any]:
    """Return what the plan says about the version."""
    return {
        "raw": text_of(version),
        "definitions_name": "cloudify_dsl",
        "definitions_version": list(version),
    }


def gate_message(what: str, version: tuple[int, int], since: tuple[int, int]) -> str:
    """Return the sentence for a feature that the version lacks."""
    return f"{what} not supported in version {text_of(version)}, it was added in {text_of(since)}"
