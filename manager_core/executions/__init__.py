"""Executions: admission, queue, statuses, dispatch."""
