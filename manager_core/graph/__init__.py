"""The task graph engine: events in, commands out. Pure."""

from manager_core.graph.engine import TaskGraph

__all__ = ["TaskGraph"]
