"""What the operations of these types share: their settings, the manager they work on, and how their errors arrive."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cloudify import ctx, manager
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError
from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError, ForbiddenWhileCancelling

EXTERNAL = "external_resource"


def setting(key: str, inputs: dict[str, Any]) -> Any:
    """Return a setting: from the operation's inputs, else the runtime properties, else the node's properties."""
    instance, node = ctx.instance, ctx.node
    return inputs.get(key) or instance.runtime_properties.get(key) or node.properties.get(key)


def client_of(config: dict[str, Any] | None) -> tuple[Any, bool]:
    """Return a client, and whether it works on another manager or tenant than the execution.

    Args:
        config: arguments of `CloudifyClient`; without any, the execution's own client is returned.
    """
    given = {key: value for key, value in (config or {}).items() if value not in (None, "", {})}
    if not given:
        return manager.get_rest_client(), False
    client = CloudifyClient(**given)
    if given.get("tenant") and given["tenant"] != ctx.tenant_name:
        return client, True
    near = {"127.0.0.1", "localhost", "::1"}
    for known in manager.get_rest_client().manager.get_managers():
        near |= {known.private_ip, known.public_ip, known.hostname}
    hosts = {client.host} if isinstance(client.host, str) else set(client.host)
    return client, not hosts & near


def final(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Let an operation's failures end it: what it asks of a manager fails the same way when it is asked again.

    Connections that break are tried again, and so is what a manager refuses while the execution is being cancelled.
    """

    @functools.wraps(operation)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return operation(*args, **kwargs)
        except ForbiddenWhileCancelling as error:
            raise OperationRetry(str(error)) from error
        except (RecoverableError, ConnectionError):
            raise
        except (NonRecoverableError, CloudifyClientError) as error:
            raise NonRecoverableError(f"Error in {operation.__name__}: {error}") from None
        except Exception as error:
            raise NonRecoverableError(f"Error in {operation.__name__}: {error}") from error

    return run


def exists(resource: Any, identifier: str) -> bool:
    """Return whether there is an object of this id."""
    return bool(len(resource.list(_include=["id"], id=identifier)))


def is_missing(error: CloudifyClientError) -> bool:
    """Return whether a refusal says that the object is not there."""
    return error.status_code == 404


def checked_labels(labels: Any) -> list[dict[str, Any]]:
    """Return labels, a list of dicts with one entry each.

    Raises:
        NonRecoverableError: they are something else.
    """
    if not isinstance(labels, list) or not all(isinstance(one, dict) and len(one) == 1 for one in labels):
        raise NonRecoverableError(
            f"The labels are not valid: {labels}. They are a list of dicts with one entry each, as in [{{'key': 'v'}}]."
        )
    return labels


def label_values(deployment: Any, key: str) -> set[str]:
    """Return the values that a deployment has for the key of a label."""
    return {label["value"] for label in deployment.labels or [] if label["key"] == key}
