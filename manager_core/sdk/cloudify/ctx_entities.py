"""The parts of an operation context: node, node instance, relationships (contract §5.1–§5.3)."""

from __future__ import annotations

import time
from typing import Any

from cloudify.endpoint import Endpoint
from cloudify.exceptions import NonRecoverableError
from cloudify.manager import DirtyTrackingDict, NodeInstance

_READ_ONLY = "Cannot override read only properties"
_DIRTY = "runtime_properties are dirty: refreshing now would destroy local changes"


class ImmutableProperties(dict):
    """The properties of a node; they cannot be written."""

    @staticmethod
    def _raise(*_args: Any, **_kwargs: Any) -> Any:
        raise NonRecoverableError(_READ_ONLY)

    __setitem__ = _raise
    __delitem__ = _raise
    update = _raise
    clear = _raise
    pop = _raise
    popitem = _raise
    setdefault = _raise
    __ior__ = _raise  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        import copy

        return copy.deepcopy(dict(self), memo)


class EntityContext:
    """Something described by the context mapping of an operation."""

    def __init__(self, context: dict[str, Any], **_: Any) -> None:
        self._context = context


class BlueprintContext(EntityContext):
    """The blueprint of the deployment."""

    @property
    def id(self) -> str | None:
        """The blueprint's id."""
        return self._context.get("blueprint_id")


class DeploymentContext(EntityContext):
    """The deployment the operation works on."""

    @property
    def id(self) -> str | None:
        """The deployment's id."""
        return self._context.get("deployment_id")

    @property
    def display_name(self) -> str | None:
        """The name shown to people."""
        return self._context.get("deployment_display_name")

    @property
    def creator(self) -> str | None:
        """The user who created it."""
        return self._context.get("deployment_creator")

    @property
    def tenant_name(self) -> str | None:
        """Its tenant."""
        return (self._context.get("tenant") or {}).get("name")

    @property
    def resource_tags(self) -> dict[str, Any] | None:
        """Tags for the resources that operations create, evaluated."""
        return self._context.get("deployment_resource_tags")

    @property
    def runtime_only_evaluation(self) -> bool | None:
        """Whether intrinsic functions are evaluated at run time alone."""
        return self._context.get("runtime_only_evaluation")


class NodeContext(EntityContext):
    """A node, its properties evaluated as its instance sees them."""

    def __init__(self, context: dict[str, Any], endpoint: Endpoint, instance_id: str | None = None) -> None:
        super().__init__(context)
        self._endpoint = endpoint
        self._instance_id = instance_id if instance_id is not None else context.get("node_id")
        self._node: dict[str, Any] | None = None
        self._properties: ImmutableProperties | None = None

    def _get_node_if_needed(self) -> dict[str, Any]:
        if self._node is None:
            self._node = self._endpoint.call("get_node", node_id=self.id, node_instance_id=self._instance_id)
            self._properties = ImmutableProperties(self._node.get("properties") or {})
        return self._node

    @property
    def id(self) -> str:
        """The node's id."""
        return self._context["node_name"]

    @property
    def name(self) -> str:
        """The same as `id`."""
        return self._context["node_name"]

    @property
    def properties(self) -> ImmutableProperties:
        """Read-only properties, intrinsic functions evaluated."""
        self._get_node_if_needed()
        return self._properties  # type: ignore[return-value]

    @property
    def type(self) -> str:
        """The node's type."""
        return self._get_node_if_needed()["type"]

    @property
    def type_hierarchy(self) -> list[str]:
        """Its type and the types that one derives from, base first."""
        return self._get_node_if_needed()["type_hierarchy"]

    @property
    def number_of_instances(self) -> int:
        """How many instances the node has."""
        return self._get_node_if_needed()["number_of_instances"]


class RelationshipSubjectContext:
    """One side of a relationship: `node` and `instance`."""

    def __init__(self, context: dict[str, Any], endpoint: Endpoint, modifiable: bool) -> None:
        self._context = context
        self.node = NodeContext(context, endpoint)
        self.instance = NodeInstanceContext(context, endpoint, node=self.node, modifiable=modifiable)


class RelationshipContext(EntityContext):
    """A relationship of the instance; its target can be read, not written."""

    def __init__(self, relationship_context: dict[str, Any], endpoint: Endpoint, node: NodeContext) -> None:
        super().__init__(relationship_context)
        self._node = node
        target = {"node_name": relationship_context["target_name"], "node_id": relationship_context["target_id"]}
        self._target = RelationshipSubjectContext(target, endpoint, modifiable=False)

    @property
    def target(self) -> RelationshipSubjectContext:
        """The other side."""
        return self._target

    @property
    def type(self) -> str:
        """The relationship's type."""
        return self._context["type"]

    @property
    def type_hierarchy(self) -> list[str]:
        """Its type and the types that one derives from, base first."""
        for relationship in self._node._get_node_if_needed().get("relationships") or []:
            same_target = relationship.get("target_id") == self._context["target_name"]
            if same_target and relationship.get("type") == self.type:
                return relationship.get("type_hierarchy") or [self.type]
        return [self.type]


class NodeInstanceContext(EntityContext):
    """A node instance, its runtime properties loaded on first access and saved when the operation ends."""

    def __init__(
        self, context: dict[str, Any], endpoint: Endpoint, node: NodeContext | None = None, modifiable: bool = True
    ) -> None:
        super().__init__(context)
        self._endpoint = endpoint
        self._node = node if node is not None else NodeContext(context, endpoint)
        self._modifiable = modifiable
        self._node_instance: NodeInstance | None = None
        self._host_ip: str | None = None
        self._relationships: list[RelationshipContext] | None = None

    def _adopt(self, record: dict[str, Any]) -> NodeInstance:
        self._node_instance = NodeInstance.from_record(record)
        self._node_instance.runtime_properties.modifiable = self._modifiable
        return self._node_instance

    def _get_node_instance(self) -> NodeInstance:
        return self._adopt(self._endpoint.call("get_node_instance", node_instance_id=self.id))

    def _get_node_instance_if_needed(self) -> NodeInstance:
        return self._node_instance if self._node_instance is not None else self._get_node_instance()

    @property
    def id(self) -> str:
        """The instance's id."""
        return self._context["node_id"]

    @property
    def node(self) -> NodeContext:
        """The instance's node."""
        return self._node

    @property
    def runtime_properties(self) -> DirtyTrackingDict:
        """What operations remember about the instance; assigning a dict replaces it all."""
        return self._get_node_instance_if_needed().runtime_properties

    @runtime_properties.setter
    def runtime_properties(self, properties: dict[str, Any]) -> None:
        self._get_node_instance_if_needed().runtime_properties = properties

    @property
    def index(self) -> int | None:
        """Place among the node's instances, from 1."""
        return self._get_node_instance_if_needed().index

    @property
    def scaling_groups(self) -> dict[str, str]:
        """Id to name of the scaling group instances this one belongs to."""
        return {group["id"]: group["name"] for group in self._get_node_instance_if_needed().scaling_groups or []}

    @property
    def drift(self) -> Any:
        """The result of the last drift check."""
        recorded = self._get_node_instance_if_needed().system_properties.get("configuration_drift") or {}
        return recorded.get("result")

    @property
    def host_ip(self) -> str:
        """The address of the host: its runtime property ``ip``, else its node's property ``ip``."""
        if self._host_ip is None:
            self._host_ip = self._find_host_ip()
        return self._host_ip

    def _find_host_ip(self) -> str:
        own = self._get_node_instance_if_needed()
        if own.host_id in (None, self.id):
            host_properties: dict[str, Any] = own.runtime_properties
            node_id = own.node_id
        else:
            host = self._endpoint.call("get_node_instance", node_instance_id=own.host_id)
            host_properties, node_id = host.get("runtime_properties") or {}, host["node_id"]
        address = host_properties.get("ip")
        if not address:
            node = self._endpoint.call("get_node", node_id=node_id, node_instance_id=own.host_id or self.id)
            address = (node.get("properties") or {}).get("ip")
        if not address:
            raise NonRecoverableError(
                f"could not find ip for host node instance: {own.host_id or self.id}. The node has no ip, neither as "
                "runtime property nor as property"
            )
        return address

    @property
    def relationships(self) -> list[RelationshipContext]:
        """The instance's relationships in declared order."""
        if self._relationships is None:
            self._relationships = [
                RelationshipContext(relationship, self._endpoint, self._node)
                for relationship in self._get_node_instance_if_needed().relationships or []
            ]
        return self._relationships

    def update(self, on_conflict: Any = None) -> None:
        """Save changed runtime properties now; the next access loads them anew.

        Args:
            on_conflict: called as ``f(my_properties, latest_properties)``; what it returns is stored. It is first
            called with
                my properties twice, then, as long as somebody else was quicker, with the stored ones.

        Raises:
            CloudifyClientError: 409, when there is a newer version and no `on_conflict`.
        """
        if self._node_instance is None or not self._node_instance.dirty:
            return
        if on_conflict is None:
            self._store(self._node_instance, dict(self._node_instance.runtime_properties))
        else:
            self._store_with_handler(self._node_instance, on_conflict)
        self._node_instance = None

    def _store_with_handler(self, mine: NodeInstance, on_conflict: Any) -> None:
        from cloudify_rest_client.exceptions import CloudifyClientError

        latest = mine
        while True:
            merged = on_conflict(mine.runtime_properties, latest.runtime_properties)
            try:
                self._store(latest, dict(merged))
            except CloudifyClientError as error:
                if error.status_code != 409:
                    raise
                record = self._endpoint.call("get_node_instance", node_instance_id=self.id)
                latest = NodeInstance.from_record(record)
            else:
                return

    def _store(self, instance: NodeInstance, properties: dict[str, Any]) -> None:
        """Store properties with the version of `instance`; an unreachable manager is tried again without limit."""
        from cloudify_rest_client.exceptions import CloudifyClientError

        while True:
            try:
                self._endpoint.call(
                    "update_node_instance",
                    node_instance_id=self.id,
                    version=instance.version,
                    state=instance.state,
                    runtime_properties=properties,
                )
            except CloudifyClientError as error:
                if error.status_code != 503:
                    raise
                time.sleep(1)
            else:
                return

    def refresh(self, force: bool = False) -> None:
        """Load the instance anew.

        Args:
            force: also when that throws unsaved changes away.
        """
        if self._node_instance is not None and self._node_instance.dirty and not force:
            raise NonRecoverableError(_DIRTY)
        self._get_node_instance()
        self._relationships = None
