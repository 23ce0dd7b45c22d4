"""Logs and events of operations: from a logging record or a text to the flat record of contract §8.1."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import Any

EVENT_VERBOSITY_LEVEL = 0
MAX_MESSAGE = 1024 * 1024
"""Longest text of one record, in characters; longer ones are cut."""


def timestamp(seconds: float | None = None) -> str:
    """Return an instant, by default now, in UTC with milliseconds and a ``Z``."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def subject_of(context: dict[str, Any]) -> dict[str, Any]:
    """Return what the records of an operation say about instances, from its context mapping."""
    subject: dict[str, Any] = {"task_id": context.get("task_id"), "task_name": context.get("task_name")}
    related = context.get("related")
    if related:
        own, other = context, related
        source, target = (own, other) if related.get("is_target") else (other, own)
        subject["source_id"], subject["source_name"] = source.get("node_id"), source.get("node_name")
        subject["target_id"], subject["target_name"] = target.get("node_id"), target.get("node_name")
    elif context.get("node_id"):
        subject["node_instance_id"], subject["node_name"] = context["node_id"], context.get("node_name")
    return subject


def _cut(text: str) -> str:
    if len(text) > MAX_MESSAGE:
        text = f"{text[:MAX_MESSAGE]} ... {len(text) - MAX_MESSAGE} characters left out"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class CloudifyPluginLoggingHandler(logging.Handler):
    """Sends what an operation logs to the manager."""

    def __init__(self, ctx: Any, out_func: Any = None) -> None:
        super().__init__()
        self._cloudify_context = ctx
        self._out_func = out_func
        self._fields: dict[str, Any] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; a failure to do so never reaches the author."""
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[0] is not None:
                message = f"{message}\n{''.join(traceback.format_exception(*record.exc_info))}"
            context = self._cloudify_context._context
            if self._fields is None:
                operation = (context.get("operation") or {}).get("name")
                self._fields = {"type": "cloudify_log", "operation": operation, **subject_of(context)}
            log = {
                **self._fields,
                "reported_timestamp": timestamp(record.created),
                "logger": record.name,
                "level": record.levelname.lower(),
                "message": _cut(message),
            }
            if self._out_func is not None:
                self._out_func(log)
            else:
                self._cloudify_context._endpoint.notice("emit", record=log)
        except Exception:
            self.handleError(record)


class CloudifyCtxLoggingHandler(logging.Handler):
    """Forwards the records of another logger to the current context's."""

    def __init__(self, ctx: Any) -> None:
        super().__init__()
        self._ctx = ctx

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        self._ctx.logger.handle(record)


def init_cloudify_logger(
    handler: logging.Handler, logger_name: str, logging_level: int = logging.DEBUG
) -> logging.Logger:
    """Return the logger of that name with this handler alone."""
    logger = logging.getLogger(logger_name)
    logger.setLevel(logging_level)
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


def forget_logger(logger_name: str) -> None:
    """Drop a logger that was made for one operation; runners run many."""
    logger = logging.Logger.manager.loggerDict.pop(logger_name, None)
    if isinstance(logger, logging.Logger):
        for handler in list(logger.handlers):
            logger.removeHandler(handler)


def send_plugin_event(
    ctx: Any, message: str | None = None, args: Any = None, additional_context: Any = None, out_func: Any = None
) -> None:
    """Send a ``plugin_event`` of an operation."""
    event = {
        "type": "cloudify_event",
        "event_type": "plugin_event",
        "reported_timestamp": timestamp(),
        "message": _cut(str(message) if message is not None else ""),
        **subject_of(ctx._context),
    }
    if additional_context:
        event["context"] = additional_context
    if out_func is not None:
        out_func(event)
    else:
        ctx._endpoint.notice("emit", record=event)


def setup_subprocess_logger() -> None:
    """Set up the logging of an operation's own subprocess: warnings and worse go to its stderr."""
    logging.basicConfig(level=logging.WARNING)
