"""How an execution process collects garbage: seldom, and never what was there before its workflow."""

from __future__ import annotations

import gc

ALLOCATIONS = 50_000
"""New containers between two collections of the young ones; Python's own 700 makes a graph of thousands of tasks, all
of them alive, cost as much again for looking at them over and over."""
YOUNG, MIDDLE = 20, 20


def calm() -> None:
    """Leave what is loaded out of all collections to come, and let them be rarer."""
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, YOUNG, MIDDLE)
