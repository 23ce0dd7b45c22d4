"""Loggers of a workflow: what they are told becomes logs of the execution (contract §8.1)."""

from __future__ import annotations

import logging
from typing import Any

_LEVELS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}


class _RuntimeHandler(logging.Handler):
    """Hands records to the runtime."""

    def __init__(self, runtime: Any, node_instance_id: str | None, node_name: str | None) -> None:
        super().__init__()
        self._runtime = runtime
        self._node_instance_id = node_instance_id
        self._node_name = node_name

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._runtime.send_log(
                _LEVELS.get(record.levelno, record.levelname.lower()),
                record.name,
                self.format(record),
                node_instance_id=self._node_instance_id,
                node_name=self._node_name,
            )
        except Exception:
            self.handleError(record)


def make_logger(
    runtime: Any, name: str, node_instance_id: str | None = None, node_name: str | None = None
) -> logging.Logger:
    """Return a logger at DEBUG that belongs to nobody else: it is not in logging's registry."""
    logger = logging.Logger(name, logging.DEBUG)  # noqa: LOG001 - registered ones would outlive their execution
    logger.addHandler(_RuntimeHandler(runtime, node_instance_id, node_name))
    return logger
