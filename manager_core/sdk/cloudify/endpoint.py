"""How a context reaches the manager: by calls over whatever transport the process was given.

In a runner the transport is the pipe to the execution process; in the execution process itself it goes straight to the
storage; anywhere else it is the REST API. A transport has two methods: ``call(method, params)`` answers with a JSON
value or raises, ``notice(method, params)`` waits for nothing and keeps the order.
"""

from __future__ import annotations

from typing import Any

from cloudify.exceptions import HttpException

_process_transport: Any = None


def set_transport(transport: Any) -> None:
    """Give this process its transport; the runtime does it once, before any author's code runs."""
    global _process_transport
    _process_transport = transport


def get_transport() -> Any:
    """Return the transport of this process; without one, the REST API."""
    if _process_transport is None:
        from cloudify.rest_transport import RestTransport

        return RestTransport()
    return _process_transport


def has_transport() -> bool:
    """Return whether the runtime gave this process a transport."""
    return _process_transport is not None


def refusal(data: dict[str, Any]) -> Exception:
    """Return the exception of a refused call: a client error with ``status_code`` and ``error_code``."""
    from cloudify_rest_client import exceptions

    return exceptions.error_for(data.get("message") or "", int(data.get("status") or 500), data.get("code"))


def call(method: str, **params: Any) -> Any:
    """Ask the manager for something through the transport of this process."""
    return get_transport().call(method, params)


class Endpoint:
    """The calls of one context, spelled as methods."""

    def __init__(self, transport: Any = None) -> None:
        self._transport = transport

    @property
    def transport(self) -> Any:
        """The transport of this context; by default the process's."""
        return self._transport if self._transport is not None else get_transport()

    def call(self, method: str, **params: Any) -> Any:
        """Ask for something and wait for the answer."""
        return self.transport.call(method, params)

    def notice(self, method: str, **params: Any) -> None:
        """Tell something."""
        self.transport.notice(method, params)

    def resource_path(self, method: str, path: str) -> str:
        """Return a local path with a resource or a directory of resources.

        Raises:
            HttpException: 404, when there is no such resource.
        """
        from cloudify_rest_client.exceptions import CloudifyClientError

        try:
            return self.call(method, path=path)
        except CloudifyClientError as error:
            if error.status_code == 404:
                raise HttpException(path, 404, f"Resource not found: {path}") from error
            raise
