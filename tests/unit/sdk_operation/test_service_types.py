"""What the operations of Component, SharedResource, Blueprint and PasswordSecret refuse, skip and pass on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from manager_core.runtime.host_calls import HostTransport
from tests.support.runner_host import MemoryHost


class Manager:
    """A client whose objects are in memory; what it is asked to change is remembered."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {"blueprints": {}, "deployments": {}, "secrets": {}}
        self.done: list[tuple[Any, ...]] = []
        self.host = "127.0.0.1"
        self.refusal: Exception | None = None
        self.blueprints = self._resource("blueprints")
        self.deployments = self._resource("deployments")
        self.secrets = self._resource("secrets")
        self.executions = SimpleNamespace(list=lambda **_: [], start=self._start)

    def _resource(self, kind: str) -> Any:
        there = self.there[kind]

        def note(*what: Any, **named: Any) -> Any:
            self.done.append((kind, *what))

        def create(name: str, value: Any = None, **_: Any) -> None:
            there[name] = value
            note("create", name)

        def delete(name: str) -> None:
            there.pop(name)
            note("delete", name)

        def found(id: str | None = None, **_: Any) -> list[Any]:
            names = there if id is None else [name for name in there if name == id]
            return [SimpleNamespace(id=name, key=name) for name in names]

        return SimpleNamespace(list=found, create=create, delete=delete, get=lambda name: there[name])

    def _start(self, *what: Any, **_: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        self.done.append(("start", *what))
        return SimpleNamespace(id="e")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    """What `get_rest_client` gives."""
    import cloudify.manager

    made = Manager()
    monkeypatch.setattr(cloudify.manager, "get_rest_client", lambda *_: made)
    return made


@pytest.fixture
def with_properties(
    host: MemoryHost, mapping: dict[str, Any], manager: Manager
) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Make the context of an operation of a node with these properties the current one."""
    from cloudify.context import CloudifyContext
    from cloudify.state import current_ctx

    def make(properties: dict[str, Any]) -> Any:
        host.add("node_1", "node", properties=properties)
        own = {**mapping, "node_id": "node_1", "node_name": "node"}
        ctx = CloudifyContext(own, transport=HostTransport(host, own))
        current_ctx.set(ctx)
        return ctx

    yield make
    current_ctx.clear()


With = Callable[[dict[str, Any]], Any]


def test_an_external_blueprint_has_to_be_there(with_properties: With, manager: Manager) -> None:
    """Nothing is uploaded for it."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify_types import component

    with_properties({"resource_config": {"blueprint": {"id": "b", "external_resource": True}}})
    with pytest.raises(
        NonRecoverableError, match=r'Error in upload_blueprint: external_resource is true.*has no blueprint "b"'
    ):
        component.upload_blueprint()
    manager.there["blueprints"]["b"] = {}
    assert component.upload_blueprint() is True


def test_a_blueprint_needs_a_source_and_labels_that_are_labels(with_properties: With, manager: Manager) -> None:
    """Each refusal says what is wrong."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify_types import blueprint

    with_properties({"resource_config": {"id": "b"}})
    with pytest.raises(NonRecoverableError, match="blueprint_archive is missing"):
        blueprint.upload()
    with pytest.raises(NonRecoverableError, match="labels are not valid"):
        blueprint.upload(resource_config={"id": "b", "labels": [{"a": 1, "b": 2}]})


def test_secrets_are_made_once_and_never_over_others(with_properties: With, manager: Manager) -> None:
    """A clash changes nothing; a second run goes on; only what was made is removed."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify_types import uploads

    ctx = with_properties({})
    manager.there["secrets"]["taken"] = "x"
    with pytest.raises(NonRecoverableError, match=r"exist already and are not overwritten.*taken"):
        uploads.make_secrets(manager, {"free": 1, "taken": 2})
    assert manager.done == []
    uploads.make_secrets(manager, {"free": 1})
    uploads.make_secrets(manager, {"free": 1})
    assert manager.done == [("secrets", "create", "free")]
    uploads.delete_secrets(manager)
    assert (manager.there["secrets"], dict(ctx.instance.runtime_properties)) == ({"taken": "x"}, {})


def test_a_component_that_never_was_installed_does_not_hold_up_the_uninstall(
    with_properties: With, manager: Manager
) -> None:
    """Any other refusal does."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify_rest_client.exceptions import CloudifyClientError
    from cloudify_types import component

    with_properties({"resource_config": {"deployment": {"id": "d"}}})
    manager.refusal = CloudifyClientError("Workflow not available: uninstall", None, 400, "unavailable_workflow_error")
    assert component.execute_start(workflow_id="uninstall") is True
    with pytest.raises(NonRecoverableError, match="Error in execute_start: 400"):
        component.execute_start(workflow_id="install")


def test_what_a_cancel_forbids_is_tried_again_and_a_lost_connection_too(
    with_properties: With, manager: Manager
) -> None:
    """They are no failures of the component."""
    from cloudify.exceptions import OperationRetry
    from cloudify_rest_client.exceptions import ForbiddenWhileCancelling
    from cloudify_types import component

    with_properties({"resource_config": {"deployment": {"id": "d"}}})
    manager.refusal = ForbiddenWhileCancelling("no", None, 403, "forbidden_while_cancelling")
    with pytest.raises(OperationRetry):
        component.execute_start(workflow_id="install")
    manager.refusal = ConnectionError("lost")
    with pytest.raises(ConnectionError):
        component.execute_start(workflow_id="install")


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"length": 5}, "at least 6 characters"),
        ({"length": 8, "digits": -2}, "takes a number from 0 on"),
        (
            {"length": 8, "uppercase": -1, "lowercase": -1, "digits": -1, "symbols": -1},
            "every group of characters is switched off",
        ),
        ({"length": 8, "digits": 5, "symbols": 4}, "ask for more characters together than the password has"),
    ],
)
def test_a_password_that_cannot_be_is_refused(with_properties: With, properties: dict[str, Any], why: str) -> None:
    """Before anything is created."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify_types import password_secret

    with_properties(properties)
    with pytest.raises(NonRecoverableError, match=why):
        password_secret.creation_validation()


def test_a_password_that_is_there_is_used_and_stays(with_properties: With, manager: Manager) -> None:
    """It belongs to somebody else."""
    from cloudify_types import password_secret

    ctx = with_properties({"length": 8, "secret_name": "mine", "use_secret_if_exists": True})
    manager.there["secrets"]["mine"] = "old"
    assert password_secret.create() is True
    assert ctx.instance.runtime_properties["password"] == {"get_secret": "mine"}
    password_secret.delete()
    assert (manager.done, manager.there["secrets"]) == ([], {"mine": "old"})


def test_a_client_of_another_tenant_or_host_works_elsewhere(with_properties: With, manager: Manager) -> None:
    """Only such a one's needs are registered without a target."""
    from cloudify_types.clients import client_of

    with_properties({})
    known = SimpleNamespace(private_ip="10.0.0.1", public_ip="1.2.3.4", hostname="manager")
    manager.manager = SimpleNamespace(get_managers=lambda: [known])  # type: ignore[attr-defined]
    assert client_of({}) == (manager, False)
    elsewhere = {
        host: client_of({"host": host, "port": 80})[1] for host in ("localhost", "10.0.0.1", "manager", "10.0.0.2")
    }
    assert elsewhere == {"localhost": False, "10.0.0.1": False, "manager": False, "10.0.0.2": True}
    assert client_of({"host": "localhost", "tenant": "other"})[1] is True
