"""Errors on their way across a process boundary: from an exception to JSON, and back (contract §2.4).

What decides about retries is the nearest class of ours in the exception's ancestry; everything else an author raises is
recoverable. The original class name, text and traceback travel along as a cause.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from cloudify import exceptions

_RUNTIME_FOLDERS = (str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "runtime"))

MAX_TEXT = 1024 * 1024
"""Longest message or traceback that travels, in characters; longer ones are cut in the middle."""


def describe(error: BaseException) -> dict[str, Any]:
    """Return an exception of author code as data: kind, type, message, retry_after, causes (and url, code)."""
    message = text_of(error)
    data: dict[str, Any] = {"kind": kind_of(error), "type": type(error).__name__, "message": message}
    data["retry_after"] = _number(getattr(error, "retry_after", None))
    if isinstance(error, exceptions.HttpException):
        data["url"], data["code"] = str(error.url), error.code if isinstance(error.code, int) else 0
    own = {"message": message, "type": type(error).__name__, "traceback": traceback_of(error)}
    data["causes"] = [*_plain_causes(getattr(error, "causes", None)), own]
    return data


def restore(data: dict[str, Any]) -> Exception:
    """Return the exception that the workflow side sees for an operation's error."""
    kind, message = data.get("kind"), data.get("message") or ""
    causes, retry_after = data.get("causes") or [], data.get("retry_after")
    if kind == "retry":
        return exceptions.OperationRetry(message, retry_after=retry_after, causes=causes)
    if kind == "http":
        error = exceptions.HttpException(data.get("url", ""), data.get("code", 0), message, causes=causes)
        error.args = (message,)  # the text was complete already when it left
        return error
    if kind in ("non_recoverable", "cancelled"):
        factory = exceptions.ProcessKillCancelled if kind == "cancelled" else exceptions.NonRecoverableError
        return factory(message, causes=causes)
    if kind == "stop_agent":
        return exceptions.StopAgent(message)
    return exceptions.RecoverableError(message, retry_after=retry_after, causes=causes)


def kind_of(error: BaseException) -> str:
    """Return how the workflow treats this exception."""
    if isinstance(error, exceptions.OperationRetry):
        return "retry"
    if isinstance(error, exceptions.HttpException):
        return "http"
    if isinstance(error, exceptions.ProcessKillCancelled):
        return "cancelled"
    if isinstance(error, exceptions.NonRecoverableError):
        return "non_recoverable"
    if isinstance(error, exceptions.CloudifySerializationRetry):
        return "serialization_retry"
    if isinstance(error, exceptions.StopAgent):
        return "stop_agent"
    return "recoverable"


def text_of(error: BaseException) -> str:
    """Return the exception's text, whatever its ``__str__`` does."""
    try:
        return cut(str(error))
    except BaseException:  # an author's __str__ may do anything
        return f"<{type(error).__name__} without a readable text>"


def traceback_of(error: BaseException) -> str:
    """Return the traceback text with the runtime's own frames left out, from the author's first frame on."""
    trace = _from_author(error.__traceback__)
    try:
        if error.__cause__ is None and (error.__context__ is None or error.__suppress_context__):
            frames = "".join(traceback.format_tb(trace))
            lines = [line[2:] if line.startswith("  ") else line for line in frames.splitlines(keepends=True)]
            return cut("".join(lines) + "".join(traceback.format_exception_only(type(error), error)))
        return cut("".join(traceback.format_exception(type(error), error, trace)))
    except BaseException:
        return f"{type(error).__name__}: {text_of(error)}\n"


def _from_author(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_RUNTIME_FOLDERS):
        trace = trace.tb_next
    return trace


def cut(text: str) -> str:
    if len(text) > MAX_TEXT:
        half = MAX_TEXT // 2
        text = f"{text[:half]}\n... {len(text) - MAX_TEXT} characters left out ...\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _plain_causes(causes: Any) -> list[dict[str, str]]:
    plain = []
    for cause in causes or []:
        if isinstance(cause, dict):
            plain.append({key: cut(str(cause.get(key) or "")) for key in ("message", "type", "traceback")})
    return plain
