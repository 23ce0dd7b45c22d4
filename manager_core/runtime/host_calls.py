"""Answers a runner's calls from a `RunnerHost`: one table, from the method's name to what is asked of the host.

The pool uses it for calls that came over a pipe, `HostTransport` for a context that lives in the execution process
itself. Every answer is a JSON value; a refusal becomes data with the status, the code and the message of the
manager's error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from manager_core.errors import ManagerError
from manager_core.runtime import render
from manager_core.runtime.messages import JsonObject
from manager_core.runtime.ports_runner import STATUS_OF_KIND, HostRefusal, RunnerHost

_log = logging.getLogger(__name__)

Answer = Callable[[RunnerHost, JsonObject, JsonObject], Any]


def _plain(name: str) -> Answer:
    def answer(host: RunnerHost, params: JsonObject, _context: JsonObject) -> Any:
        return getattr(host, name)(**params)

    return answer


def _with_context(name: str) -> Answer:
    def answer(host: RunnerHost, params: JsonObject, context: JsonObject) -> Any:
        return getattr(host, name)(**params, context=context)

    return answer


def _path_of(name: str) -> Answer:
    def answer(host: RunnerHost, params: JsonObject, context: JsonObject) -> str:
        return str(getattr(host, name)(**params, context=context))

    return answer


def _render(host: RunnerHost, params: JsonObject, context: JsonObject) -> str:
    return render.render(
        params["template"],
        params.get("variables") or {},
        context,
        HostTransport(host, context),
        instances=params.get("instances") or {},
    )


_ANSWERS: Mapping[str, Answer] = {
    **{
        name: _plain(name)
        for name in (
            "emit",
            "get_node",
            "get_node_instance",
            "update_node_instance",
            "get_operation",
            "update_operation",
            "get_execution",
            "update_execution_status",
            "get_secret",
            "get_config",
            "get_managers",
            "get_brokers",
            "get_tenant",
            "get_provider_context",
            "get_bootstrap_context",
        )
    },
    "evaluate_functions": _with_context("evaluate_functions"),
    **{name: _path_of(name) for name in ("get_resource", "get_directory", "deployment_workdir", "deployment_files")},
    "render": _render,
}


def answer(host: RunnerHost, method: str, params: JsonObject, context: JsonObject) -> Any:
    """Return what `method` gives; raises what the host raises, `HostRefusal` for a method that does not exist."""
    function = _ANSWERS.get(method)
    if function is None:
        raise HostRefusal(f"There is no call named {method!r}")
    return function(host, params, context)


def describe_refusal(error: BaseException) -> JsonObject:
    """Return an error of a host call as data: ``{status, code, message}``."""
    if isinstance(error, ManagerError):
        return {"status": STATUS_OF_KIND[error.kind], "code": error.code, "message": error.message}
    if isinstance(error, LookupError):
        return {"status": 404, "code": "not_found_error", "message": str(error.args[0] if error.args else error)}
    _log.error("a call of an operation failed", exc_info=error)
    return {"status": 500, "code": "internal_server_error", "message": f"{type(error).__name__}: {error}"}


class HostTransport:
    """The transport of a context that runs in the execution process: templates, script workflows,
    `cloudify.manager`."""

    def __init__(self, host: RunnerHost, context: JsonObject) -> None:
        self._host = host
        self._context = context

    def call(self, method: str, params: JsonObject) -> Any:
        """Answer a call; refusals are raised as the SDK's client errors."""
        from cloudify.endpoint import refusal  # the SDK is importable in execution processes alone

        try:
            return answer(self._host, method, params, self._context)
        except Exception as error:
            raise refusal(describe_refusal(error)) from error

    def notice(self, method: str, params: JsonObject) -> None:
        """Take an event or a log."""
        answer(self._host, method, params, self._context)
