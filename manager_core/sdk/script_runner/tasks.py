"""The operation and the workflow function that run scripts (contract §5.10)."""

from __future__ import annotations

import ast
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloudify.context import CloudifyContext
from cloudify.exceptions import NonRecoverableError
from cloudify.proxy.client import CTX_SOCKET_URL, ScriptException
from cloudify.proxy.server import HTTPCtxProxy, StubCtxProxy
from cloudify.state import current_ctx, current_workflow_ctx
from cloudify.utils import create_temp_folder

from script_runner import eval_env
from script_runner.constants import (
    DEFAULT_POWERSHELL_EXECUTABLE,
    POWERSHELL_SCRIPT_FILE_EXTENSION,
    PYTHON_SCRIPT_FILE_EXTENSION,
)
from script_runner.process import ProcessException, create_process_config, environment_of, run_process


class IllegalCtxOperation(RuntimeError):
    """A script returned, aborted or retried a second time."""


ILLEGAL_CTX_OPERATION_ERROR = IllegalCtxOperation("ctx may only abort or return once")
UNSUPPORTED_SCRIPT_FEATURE_ERROR = RuntimeError("ctx abort and retry are not supported by this context")
IS_WINDOWS = os.name == "nt"
POLL_LOOP_INTERVAL = 0.1
"""Seconds between two looks at a script, for plugins that run scripts themselves."""
POLL_LOOP_LOG_ITERATIONS = 200
"""Looks between two logs that a script still runs, for the same plugins."""


def run(
    script_path: str | None = None,
    script_source: str | None = None,
    process: dict[str, Any] | None = None,
    ssl_cert_content: str | None = None,
    **kwargs: Any,
) -> Any:
    """Run a script as an operation; the result is what it passed to ``ctx returns``.

    Args:
        script_path: a resource of the blueprint, an http(s) URL or a ``file://`` URL.
        script_source: the text of the script, instead.
        process: options: env, args, cwd, command_prefix, eval_python, ctx_proxy_type, log_stdout, log_stderr,
            stderr_to_stdout.
        ssl_cert_content: certificate to trust for an https URL.
        kwargs: the other inputs, the script's environment variables.
    """
    _check_one(script_path, script_source)
    ctx = kwargs.get("ctx") or current_ctx.get_ctx()
    process = create_process_config(process, kwargs)
    with _own_folder(process) as folder:
        path = _fetch(_downloader(ctx, folder), folder, script_path, script_source, process, ssl_cert_content)
        return process_execution(get_run_script_func(path, process), path, ctx, process)


def execute_workflow(
    script_path: str | None = None,
    script_source: str | None = None,
    ssl_cert_content: str | None = None,
    **kwargs: Any,
) -> Any:
    """Evaluate a Python script as a workflow, in the workflow's process."""
    _check_one(script_path, script_source)
    ctx = kwargs.get("ctx") or current_workflow_ctx.get_ctx()
    options = {"eval_python": True}
    with _own_folder(options) as folder:
        path = _fetch(ctx.download_resource, folder, script_path, script_source, options, ssl_cert_content)
        return process_execution(eval_script, path, ctx)


@contextmanager
def _own_folder(process: dict[str, Any]) -> Iterator[str]:
    """Give a temporary folder for our copy of a script; it stays if something that the script started may read it."""
    folder = create_temp_folder()
    try:
        yield folder
    finally:
        if process.pop("finished", True):
            shutil.rmtree(folder, ignore_errors=True)


def _downloader(ctx: Any, folder: str) -> Callable[[str], str]:
    """Return how a resource gets into `folder`; a context of another kind decides itself where it puts it."""
    if type(ctx).download_resource is not CloudifyContext.download_resource:
        return ctx.download_resource
    return lambda path: ctx.download_resource(path, str(Path(folder) / Path(path).name))


def _check_one(script_path: str | None, script_source: str | None) -> None:
    if not script_path and not script_source:
        raise NonRecoverableError("Either script_path or script_source must be provided")
    if script_path and script_source:
        raise NonRecoverableError("Only provide script_path or script_source, not both")


def _fetch(
    download_from_blueprint: Callable[[str], str],
    folder: str,
    script_path: str | None,
    script_source: str | None,
    process: dict[str, Any],
    ssl_cert_content: str | None,
) -> str:
    if script_source:
        return _script_source_to_file(script_source, process, folder)
    return download_resource(download_from_blueprint, str(script_path), ssl_cert_content, folder)


def _script_source_to_file(script_source: str, process: dict[str, Any], folder: str) -> str:
    """Write an inline script to a file; it is Python if it parses as Python, unless `eval_python` decides."""
    wants_python = process.get("eval_python")
    if wants_python is None:
        try:
            ast.parse(script_source)
            wants_python = True
        except (SyntaxError, ValueError):
            wants_python = False
    name = "script.py" if wants_python else "script.sh"
    path = Path(folder) / name
    path.write_text(script_source)
    return str(path)


def download_resource(
    download_resource_func: Callable[[str], str],
    script_path: str,
    ssl_cert_content: str | None = None,
    folder: str | None = None,
) -> str:
    """Return a local file with the script.

    Raises:
        NonRecoverableError: the URL does not give it.
        HttpException: 404, there is no such resource.
    """
    scheme, separator, rest = script_path.partition("://")
    if separator and scheme in ("http", "https"):
        return _download_url(script_path, ssl_cert_content, folder or create_temp_folder())
    if separator and scheme == "file":
        return rest
    return download_resource_func(script_path)


def _download_url(url: str, ssl_cert_content: str | None, folder: str) -> str:
    context = None
    if ssl_cert_content:
        context = ssl.create_default_context(cadata=ssl_cert_content)
    try:
        with urllib.request.urlopen(url, timeout=60, context=context) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        raise NonRecoverableError(f"Failed downloading script: {url} ({error.code}: {error.reason})") from error
    if status != 200:
        raise NonRecoverableError(f"Failed downloading script: {url} ({status})")
    path = Path(folder) / (Path(url.partition("?")[0]).name or "script")
    path.write_bytes(content)
    return str(path)


def get_run_script_func(script_path: str, process: dict[str, Any]) -> Callable[..., Any]:
    """Return how a script is run: evaluated here, or as a process."""
    if treat_script_as_python_script(script_path, process):
        return eval_script
    if treat_script_as_powershell_script(script_path):
        process["command_prefix"] = process.get("command_prefix") or DEFAULT_POWERSHELL_EXECUTABLE
    return execute


def treat_script_as_python_script(script_path: str, process: dict[str, Any]) -> bool:
    """Return whether the script is evaluated in this process."""
    wants_python = process.get("eval_python")
    is_python = Path(script_path).suffix.lower() == PYTHON_SCRIPT_FILE_EXTENSION
    return wants_python is True or (is_python and wants_python is not False)


def treat_script_as_powershell_script(script_path: str) -> bool:
    """Return whether the script is one of PowerShell."""
    return Path(script_path).suffix.lower() == POWERSHELL_SCRIPT_FILE_EXTENSION


def process_execution(
    script_func: Callable[..., Any], script_path: str, ctx: Any, process: dict[str, Any] | None = None
) -> Any:
    """Give the context its `returns`, `abort_operation` and `retry_operation`, run the script, return its result.

    Raises:
        NonRecoverableError: the script aborted the operation, or returned, aborted or retried more than once.
        ProcessException: it failed without having done so.
    """
    _give_script_methods(ctx)
    try:
        script_func(script_path, ctx, process)
    except ProcessException:
        # After an abort or a retry the exit code says nothing new.
        if not isinstance(ctx._return_value, ScriptException | IllegalCtxOperation):
            raise
    except IllegalCtxOperation as error:
        raise NonRecoverableError(str(error)) from error
    value = ctx._return_value
    if isinstance(value, IllegalCtxOperation):
        raise NonRecoverableError(str(value))
    if isinstance(value, ScriptException):
        if value.retry:
            return None  # the context's operation knows
        raise NonRecoverableError(str(value))
    return value


def _give_script_methods(ctx: Any) -> None:
    ctx._return_value = None

    def once() -> None:
        if ctx._return_value is not None:
            ctx._return_value = IllegalCtxOperation(*ILLEGAL_CTX_OPERATION_ERROR.args)
            raise ctx._return_value

    def returns(value: Any) -> None:
        once()
        ctx._return_value = value

    def abort_operation(message: str | None = None) -> ScriptException:
        once()
        ctx._return_value = ScriptException(message)
        return ctx._return_value

    def retry_operation(message: str | None = None, retry_after: float | None = None) -> ScriptException:
        once()
        operation = getattr(ctx, "operation", None)
        if operation is None or not hasattr(operation, "retry"):
            raise UNSUPPORTED_SCRIPT_FEATURE_ERROR
        operation.retry(message=message, retry_after=retry_after)
        ctx._return_value = ScriptException(message, retry=True)
        return ctx._return_value

    ctx.returns, ctx.abort_operation, ctx.retry_operation = returns, abort_operation, retry_operation


def eval_script(script_path: str, ctx: Any, process: dict[str, Any] | None = None) -> None:
    """Evaluate a Python script here."""
    eval_env.evaluate(script_path)


def execute(script_path: str, ctx: Any, process: dict[str, Any]) -> None:
    """Run a script as a process with the `ctx` command on its PATH."""
    proxy = start_ctx_proxy(ctx, process)
    try:
        process["finished"] = run_process(script_path, process, proxy.socket_url, ctx.logger)
    finally:
        proxy.close()


def start_ctx_proxy(ctx: Any, process: dict[str, Any]) -> Any:
    """Serve the context for the `ctx` command, unless the options say ``none``."""
    kind = process.get("ctx_proxy_type") or "auto"
    if kind == "none":
        return StubCtxProxy()
    if kind in ("auto", "http"):
        return HTTPCtxProxy(ctx)
    raise NonRecoverableError(f"Unsupported ctx_proxy_type: {kind}")


def process_ctx_request(proxy: Any) -> None:
    """Do nothing: the proxy serves by itself. Plugins that run scripts themselves call it in their loops."""


def _get_process_environment(process: dict[str, Any], proxy: Any) -> dict[str, str]:
    """Return the whole environment of a script; plugins that run scripts themselves call it by this name."""
    return environment_of(process, proxy.socket_url)


__all__ = [
    "CTX_SOCKET_URL",
    "ILLEGAL_CTX_OPERATION_ERROR",
    "POLL_LOOP_INTERVAL",
    "POLL_LOOP_LOG_ITERATIONS",
    "UNSUPPORTED_SCRIPT_FEATURE_ERROR",
    "ProcessException",
    "create_process_config",
    "execute_workflow",
    "process_ctx_request",
    "process_execution",
    "run",
    "start_ctx_proxy",
]
