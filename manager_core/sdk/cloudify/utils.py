"""Helpers that plugins and workflows import from `cloudify.utils` (contract §5.8)."""

from __future__ import annotations

import functools
import importlib
import json
import logging
import os
import random
import string
import sys
import tarfile
import tempfile
import time
import traceback
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cloudify import constants
from cloudify.command_runner import CommandExecutionResponse, LocalCommandRunner, OutputConsumer
from cloudify.exceptions import CommandExecutionException, NonRecoverableError, TimeoutException
from cloudify.state import current_ctx, current_workflow_ctx, workflow_ctx
from cloudify.timestamps import (
    parse_and_apply_timedelta,
    parse_schedule_datetime_string,
    parse_utc_datetime,
    parse_utc_datetime_absolute,
    parse_utc_datetime_relative,
    unpack_timedelta_string,
)

ENV_CFY_EXEC_TEMPDIR = "CFY_EXEC_TEMP"
ENV_AGENT_LOG_LEVEL = "AGENT_LOG_LEVEL"
ENV_AGENT_LOG_DIR = "AGENT_LOG_DIR"
ENV_AGENT_LOG_MAX_BYTES = "AGENT_LOG_MAX_BYTES"
ENV_AGENT_LOG_MAX_HISTORY = "AGENT_LOG_MAX_HISTORY"
PLUGIN_INSTALL_KEY = "install"
PLUGIN_NAME_KEY = "name"
KEEP_TRYING_HTTP_TOTAL_TIMEOUT_SEC = constants.KEEP_TRYING_HTTP_TOTAL_TIMEOUT_SEC
MAX_WAIT_BETWEEN_HTTP_RETRIES_SEC = constants.MAX_WAIT_BETWEEN_HTTP_RETRIES_SEC
SUPPORTED_ARCHIVE_TYPES = constants.SUPPORTED_ARCHIVE_TYPES


# --- logging --------------------------------------------------------------------------------------------------------


def setup_logger(
    logger_name: str,
    logger_level: int = logging.INFO,
    handlers: list[logging.Handler] | None = None,
    remove_existing_handlers: bool = True,
    logger_format: str | None = None,
    propagate: bool = True,
) -> logging.Logger:
    """Return a logger with the given handlers, by default one that writes to standard output."""
    logger = logging.getLogger(logger_name)
    if remove_existing_handlers:
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
    if not handlers:
        handlers = [logging.StreamHandler(sys.stdout)]
    form = logger_format or "%(asctime)s [%(levelname)s] [%(name)s] %(message)s"
    for handler in handlers:
        handler.setFormatter(logging.Formatter(fmt=form, datefmt="%H:%M:%S"))
        handler.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    logger.setLevel(logger_level)
    logger.propagate = propagate
    return logger


setup_default_logger = setup_logger


# --- errors and functions -------------------------------------------------------------------------------------------


def exception_to_error_cause(exception: BaseException, tb: Any) -> dict[str, str]:
    """Return a cause, ``{message, type, traceback}``, for the ``causes`` of another exception."""
    text = "".join(traceback.format_exception(type(exception), exception, tb))
    return {"message": str(exception), "type": type(exception).__name__, "traceback": text}


def format_exception(e: BaseException) -> str:
    """Return ``Type: text``."""
    return f"{type(e).__name__}: {e}"


def get_func(task_name: str) -> Callable[..., Any]:
    """Return the function that a mapping ``module.path.function`` names.

    Raises:
        NonRecoverableError: no such module, no such function.
    """
    module_name, _, function_name = task_name.rpartition(".")
    if not module_name:
        raise NonRecoverableError(f"{task_name!r} does not name a function: module.function is expected")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise NonRecoverableError(f"No module named {module_name} ({error})") from error
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        raise NonRecoverableError(f"{module_name} has no function named '{function_name}' ") from error


# --- the current context --------------------------------------------------------------------------------------------


def _get_current_context() -> Any:
    """Return the operation's context, or the workflow's, whichever is current."""
    for holder in (current_ctx, current_workflow_ctx):
        if holder.ctx is not None:
            return holder.ctx
    return current_ctx.get_ctx()


def _of_context(name: str, default: Any = None) -> Any:
    for holder in (current_ctx, current_workflow_ctx):
        if holder.ctx is not None:
            return getattr(holder.ctx, name, default)
    return default


def get_execution_token() -> str | None:
    """Return the token that acts as the current execution."""
    return _of_context("execution_token")


def get_execution_id() -> str | None:
    """Return the id of the current execution."""
    return _of_context("execution_id")


def get_execution_creator_username() -> str | None:
    """Return who started the current execution."""
    return _of_context("execution_creator_username")


def get_workflow_parameters() -> dict[str, Any]:
    """Return the parameters of the current workflow."""
    return _of_context("workflow_parameters") or {}


def get_rest_token() -> str | None:
    """Return the token for the REST API."""
    return _of_context("rest_token")


def get_tenant() -> Any:
    """Return the current tenant."""
    return _of_context("tenant")


def get_tenant_name() -> str | None:
    """Return the name of the current tenant."""
    return _of_context("tenant_name")


def get_is_bypass_maintenance() -> bool:
    """Return whether the current execution may write in maintenance mode."""
    value = _of_context("bypass_maintenance")
    if value is None:
        return os.environ.get(constants.BYPASS_MAINTENANCE, "").lower() == "true"
    return bool(value)


def get_manager_rest_service_host() -> str:
    """Return the host of the REST API."""
    host = _of_context("rest_host") or os.environ.get(constants.REST_HOST_KEY) or "localhost"
    return host[0] if isinstance(host, list | tuple) else host


def get_manager_rest_service_port() -> int:
    """Return the port of the REST API."""
    return int(_of_context("rest_port") or os.environ.get(constants.REST_PORT_KEY) or 80)


def get_manager_rest_service_protocol() -> str:
    """Return ``http`` or ``https``."""
    return os.environ.get(constants.REST_PROTOCOL_KEY) or "http"


def get_local_rest_certificate() -> str | None:
    """Return the certificate file of the REST API, if one is configured."""
    return os.environ.get(constants.LOCAL_REST_CERT_FILE_KEY)


def get_manager_name() -> str:
    """Return the name of this manager."""
    return os.environ.get(constants.MANAGER_NAME, "")


def get_manager_ip() -> str:
    """Return the host of the manager."""
    return get_manager_rest_service_host()


def get_daemon_name() -> str:
    """Return the name of this worker."""
    return os.environ.get("AGENT_NAME", "")


def get_manager_file_server_url() -> list[str]:
    """Return the addresses of the file server."""
    return [part for part in os.environ.get(constants.MANAGER_FILE_SERVER_URL_KEY, "").split(",") if part]


def get_manager_file_server_root() -> str | None:
    """Return the folder of the file server."""
    return os.environ.get(constants.MANAGER_FILE_SERVER_ROOT_KEY)


def get_manager_file_server_scheme() -> str:
    """Return the scheme of the file server."""
    return os.environ.get(constants.MANAGER_FILE_SERVER_SCHEME, "http")


def get_local_resources_root() -> str | None:
    """Return the folder of the local resources."""
    return os.environ.get(constants.LOCAL_RESOURCES_ROOT_ENV_KEY)


def get_broker_ssl_cert_path() -> str | None:
    """Return the certificate of the message broker; there is none."""
    return os.environ.get(constants.BROKER_SSL_CERT_PATH)


def get_admin_api_token() -> str | None:
    """Return the administrator's token, when one is given to this process."""
    return os.environ.get(constants.ADMIN_API_TOKEN_KEY)


def is_management_environment() -> bool:
    """Return whether this process runs on the manager; operations always do here."""
    return bool(os.environ.get("MANAGEMENT_USER") or os.environ.get(constants.MANAGER_NAME))


def get_kerberos_indication(kerberos_env: Any) -> bool | None:
    """Return what a Kerberos setting says."""
    return None if kerberos_env is None else str(kerberos_env).lower() == "true"


def get_instances_of_node(
    rest_client: Any, deployment_id: str | None = None, node_id: str | None = None, _ctx: Any = None
) -> list[Any]:
    """Return the instances of a node (by default the current one's), ordered by index."""
    if not (deployment_id and node_id):
        current = _ctx if _ctx is not None else _get_current_context()
        deployment_id = deployment_id or current.deployment.id
        node_id = node_id or current.node.id
    instances = rest_client.node_instances.list(
        deployment_id=deployment_id, node_id=node_id, _include=["index", "state", "id"], _get_all_results=True
    )
    return sorted(instances, key=lambda instance: instance.index if hasattr(instance, "index") else instance["index"])


# --- names, folders, archives ---------------------------------------------------------------------------------------


def id_generator(size: int = 6, chars: str = string.ascii_uppercase + string.digits) -> str:
    """Return a random string, not fit for secrets."""
    return "".join(random.choice(chars) for _ in range(size))


def uuid4() -> str:
    """Return a random id."""
    return str(uuid.uuid4())


def generate_user_password(password_length: int = 32) -> str:
    """Return a random password of letters and digits."""
    chooser = random.SystemRandom()
    return "".join(chooser.choice(string.ascii_letters + string.digits) for _ in range(password_length))


def get_exec_tempdir() -> str:
    """Return the folder for temporary files of operations."""
    return os.environ.get(ENV_CFY_EXEC_TEMPDIR) or tempfile.gettempdir()


def create_temp_folder() -> str:
    """Return a new temporary folder."""
    root = get_exec_tempdir()
    Path(root).mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(dir=root)


def extract_archive(source: str) -> str:
    """Unpack a zip or tar archive into a new folder and return that.

    Raises:
        NonRecoverableError: the file is neither.
    """
    if tarfile.is_tarfile(source):
        return untar(source)
    if zipfile.is_zipfile(source):
        return unzip(source)
    raise NonRecoverableError(
        f"Failed to extract {source}: unsupported archive. Supported types are: {', '.join(SUPPORTED_ARCHIVE_TYPES)}"
    )


def unzip(archive: str, destination: str | None = None) -> str:
    """Unpack a zip archive and return the folder."""
    destination = destination or tempfile.mkdtemp(dir=get_exec_tempdir())
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(destination)
    return destination


def untar(archive: str, destination: str | None = None) -> str:
    """Unpack a tar archive and return the folder; members that would leave it are refused."""
    destination = destination or tempfile.mkdtemp(dir=get_exec_tempdir())
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):
            opened.extractall(destination, filter="data")
        else:
            opened.extractall(destination)
    return destination


def get_python_path(venv: str) -> str:
    """Return the interpreter of a virtual environment."""
    return get_executable_path("python", venv)


def get_executable_path(executable: str, venv: str) -> str:
    """Return a program of a virtual environment."""
    return str(Path(venv) / ("Scripts" if os.name == "nt" else "bin") / executable)


def plugin_prefix(
    name: str, tenant_name: str, version: str | None = None, deployment_id: str | None = None
) -> str | None:
    """Return the environment of a plugin when it is the current one's, else None."""
    plugin = _of_context("plugin")
    return plugin.prefix if plugin is not None and plugin == name else None


# --- waiting --------------------------------------------------------------------------------------------------------


def wait_for(
    callable_obj: Callable[..., Any],
    callable_obj_key: Any,
    value_attr: str,
    test_condition: Callable[[Any], bool],
    exception_class: type[BaseException],
    msg: str = "",
    timeout: float = 900,
) -> None:
    """Call an object with its key every few seconds until the attribute of its result meets the condition.

    Raises:
        exception_class: it did not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not test_condition(getattr(callable_obj(callable_obj_key), value_attr)):
        if time.monotonic() > deadline:
            raise exception_class(msg)
        time.sleep(min(3, timeout))


def keep_trying_http(
    total_timeout_sec: float | None = KEEP_TRYING_HTTP_TOTAL_TIMEOUT_SEC,
    max_delay_sec: float = MAX_WAIT_BETWEEN_HTTP_RETRIES_SEC,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function so that it is called again, with growing pauses, while the connection fails."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            deadline = None if total_timeout_sec is None else time.monotonic() + total_timeout_sec
            delay = 1.0
            while True:
                try:
                    return function(*args, **kwargs)
                except (ConnectionError, TimeoutError):
                    if deadline is not None and time.monotonic() + delay > deadline:
                        raise
                time.sleep(delay)
                delay = min(delay * 2, max_delay_sec)

        return wrapper

    return decorate


# --- plugins of a plan ----------------------------------------------------------------------------------------------


def extract_plugins_to_install(plugin_list: list[dict[str, Any]], filter_func: Callable[[Any], bool]) -> list[Any]:
    """Return the plugins that are to be installed and pass the filter."""
    return [plugin for plugin in plugin_list if filter_func(plugin)]


def extract_and_merge_plugins(
    deployment_plugins: list[dict[str, Any]],
    workflow_plugins: list[dict[str, Any]],
    filter_func: Callable[[Any], bool] = lambda _: True,
    with_repetition: bool = False,
) -> list[dict[str, Any]]:
    """Return the plugins of operations and workflows together, each name once unless `with_repetition`."""
    chosen = [
        *extract_plugins_to_install(deployment_plugins, filter_func),
        *extract_plugins_to_install(workflow_plugins, filter_func),
    ]
    return chosen if with_repetition else merge_plugins(chosen, [])


def merge_plugins(deployment_plugins: list[Any], workflow_plugins: list[Any]) -> list[Any]:
    """Return both lists together, each plugin name once, the first one winning."""
    merged: dict[Any, Any] = {}
    for plugin in [*deployment_plugins, *workflow_plugins]:
        merged.setdefault(plugin[PLUGIN_NAME_KEY], plugin)
    return list(merged.values())


# --- others ---------------------------------------------------------------------------------------------------------


class ManagerVersion:
    """A version of a manager, for comparison."""

    def __init__(self, raw_version: str) -> None:
        parts = raw_version.split("-")[0].split(".")
        self.major, self.minor = int(parts[0]), int(parts[1]) if len(parts) > 1 else 0
        self.service = int(parts[2]) if len(parts) > 2 else 0

    def _key(self) -> tuple[int, int, int]:
        return self.major, self.minor, self.service

    def greater_than(self, other: ManagerVersion) -> bool:
        """Return whether this version is newer."""
        return self._key() > other._key()

    def equals(self, other: ManagerVersion) -> bool:
        """Return whether it is the same version."""
        return self._key() == other._key()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ManagerVersion) and self.equals(other)

    def __gt__(self, other: ManagerVersion) -> bool:
        return self.greater_than(other)

    def __lt__(self, other: ManagerVersion) -> bool:
        return other.greater_than(self)

    def __ge__(self, other: ManagerVersion) -> bool:
        return not self < other

    def __le__(self, other: ManagerVersion) -> bool:
        return not self > other

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.service}"


class Internal:
    """Helpers of the workflows that come with the manager."""

    @staticmethod
    def get_install_method(properties: dict[str, Any]) -> str | None:
        """Return how the agent of a Compute node is to be installed (contract §4.3)."""
        install_agent = properties.get("install_agent")
        if install_agent is False:
            return constants.AGENT_INSTALL_METHOD_NONE
        if install_agent is True:
            return constants.AGENT_INSTALL_METHOD_REMOTE
        return (properties.get("agent_config") or {}).get("install_method")

    @staticmethod
    def get_broker_ssl_options(ssl_enabled: bool, cert_path: str) -> dict[str, Any]:
        """Return the options for a broker connection; there is no broker."""
        return {"ca_certs": cert_path} if ssl_enabled else {}

    @staticmethod
    def get_broker_credentials(cloudify_agent: Any) -> tuple[Any, Any, Any]:
        """Return user, password and virtual host of the broker as the agent's settings say."""
        return (
            getattr(cloudify_agent, "broker_user", None),
            getattr(cloudify_agent, "broker_pass", None),
            getattr(cloudify_agent, "broker_vhost", "/"),
        )


internal = Internal()


def plain(value: Any) -> Any:
    """Return a value as JSON can say it; what it cannot say is replaced by its text."""
    return json.loads(json.dumps(value, default=str))


__all__ = [
    "CommandExecutionException",
    "CommandExecutionResponse",
    "Internal",
    "LocalCommandRunner",
    "ManagerVersion",
    "OutputConsumer",
    "TimeoutException",
    "parse_and_apply_timedelta",
    "parse_schedule_datetime_string",
    "parse_utc_datetime",
    "parse_utc_datetime_absolute",
    "parse_utc_datetime_relative",
    "unpack_timedelta_string",
    "workflow_ctx",
]
