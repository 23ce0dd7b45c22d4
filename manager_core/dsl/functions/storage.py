"""What evaluation at run time asks of the world, and the node instance an attribute is read from (contract §15.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from manager_core.dsl.containment import CONTAINED_IN
from manager_core.dsl.functions.evaluation import Frame


class EvaluationStorage(Protocol):
    """The facts of one deployment and its tenant. Unknown names raise KeyError with a sentence as its argument."""

    def get_input(self, name: str) -> Any:
        """Return an input's value."""

    def get_node(self, name: str) -> Mapping[str, Any]:
        """Return a node: at least `properties` and `relationships` (with `type_hierarchy` and `target_id`)."""

    def get_node_instances(self, node: str) -> Sequence[Mapping[str, Any]]:
        """Return a node's instances: `id`, `node_id`, `index`, `runtime_properties`, `relationships`,
        `scaling_groups`; none for an unknown node."""

    def get_node_instance(self, instance_id: str) -> Mapping[str, Any]:
        """Return one instance."""

    def get_secret(self, key: str) -> Any:
        """Return a secret's value."""

    def get_capability(self, deployment_id: str, name: str) -> Any:
        """Return the evaluated value of another deployment's capability. Bounding cycles is the storage's part."""

    def get_group_deployments(self, group_id: str) -> Sequence[str]:
        """Return the ids of a deployment group's members."""

    def get_label(self, key: str) -> Sequence[str]:
        """Return the values of the deployment's label, by creation time and value; none when it has no such label."""

    def get_system(self, entity: str, name: str) -> Any:
        """Return a property of the tenant or the deployment (contract §15.2, get_sys)."""

    def get_consumers(self) -> Sequence[Mapping[str, Any]]:
        """Return the deployments that consume this one: `id` and `display_name`."""


class NoInstance(Exception):
    """No instance, or no single one, can be meant."""


class Instances:
    """Finds the node instance that a reference means; remembers what it read."""

    def __init__(self, storage: EvaluationStorage) -> None:
        self._storage = storage
        self._nodes: dict[str, Mapping[str, Any]] = {}
        self._of_node: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._by_id: dict[str, Mapping[str, Any]] = {}

    def node(self, name: str) -> Mapping[str, Any]:
        """Return a node; KeyError when there is none."""
        if name not in self._nodes:
            self._nodes[name] = self._storage.get_node(name)
        return self._nodes[name]

    def of_node(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Return a node's instances."""
        if name not in self._of_node:
            self._of_node[name] = self._storage.get_node_instances(name)
            self._by_id.update((item["id"], item) for item in self._of_node[name])
        return self._of_node[name]

    def by_id(self, instance_id: str) -> Mapping[str, Any]:
        """Return one instance; KeyError when there is none."""
        if instance_id not in self._by_id:
            self._by_id[instance_id] = self._storage.get_node_instance(instance_id)
        return self._by_id[instance_id]

    def meant(self, name: str, frame: Frame, hint: str | None = None) -> Mapping[str, Any]:
        """Return the instance of node `name` that a reference in `frame` means.

        Args:
            name: the node's name.
            frame: who refers.
            hint: an instance to prefer when it belongs to the node.

        Raises:
            NoInstance: there is none, or several and nothing tells which.
        """
        if hint is not None and self.by_id(hint)["node_id"] == name:
            return self.by_id(hint)
        candidates = self.of_node(name)
        if not candidates:
            raise NoInstance(f"Node {name} has no instances.")
        if len(candidates) == 1:
            return candidates[0]
        found = self._related(candidates, frame) or self._in_shared_group(candidates, frame)
        if found is None:
            raise NoInstance(
                f'More than one node instance found for node "{name}". Cannot resolve a node instance unambiguously.'
            )
        return found

    def _related(self, candidates: Sequence[Mapping[str, Any]], frame: Frame) -> Mapping[str, Any] | None:
        if frame.self_id is None:
            return None
        by_id = {item["id"]: item for item in candidates}
        if frame.self_id in by_id:
            return by_id[frame.self_id]
        relationships = self.by_id(frame.self_id).get("relationships") or ()
        targets = {item["target_id"] for item in relationships if item["target_id"] in by_id}
        return by_id[targets.pop()] if len(targets) == 1 else None

    def _in_shared_group(self, candidates: Sequence[Mapping[str, Any]], frame: Frame) -> Mapping[str, Any] | None:
        groups_of = [(item, dict(self._groups(item))) for item in candidates]
        referrers = (frame.self_id,) if frame.self_id is not None else (frame.source_id, frame.target_id)
        for referrer in referrers:
            if referrer is None:
                continue
            for name, group_id in self._groups(self.by_id(referrer)):
                if not any(name in groups for _, groups in groups_of):
                    continue
                near = [item for item, groups in groups_of if groups.get(name) == group_id]
                if len(near) == 1:
                    return near[0]
                break
        return None

    def _groups(self, instance: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (group, group instance) of an instance and of what contains it, innermost first."""
        groups: list[tuple[str, str]] = []
        seen: set[str] = set()
        current: Mapping[str, Any] | None = instance
        while current is not None and current["id"] not in seen:
            seen.add(current["id"])
            groups.extend((item["name"], item["id"]) for item in current.get("scaling_groups") or ())
            current = self._container(current)
        return groups

    def _container(self, instance: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            node = self.node(instance["node_id"])
        except KeyError:
            return None
        containers = {
            item["target_id"]
            for item in node.get("relationships") or ()
            if CONTAINED_IN in (item.get("type_hierarchy") or ())
        }
        for relationship in instance.get("relationships") or ():
            if relationship["target_name"] in containers:
                return self.by_id(relationship["target_id"])
        return None
