"""Fakes for the pure stages of the blueprint language: facts from plain data, and ids that count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any


def counting_ids(prefix: str = "i") -> Callable[[], str]:
    """Return a source of id suffixes that never repeats."""
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers):05d}"


class DataStorage:
    """An `EvaluationStorage` over a mapping: nodes, instances, inputs, secrets, capabilities, labels, groups."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    def get_input(self, name: str) -> Any:
        return self.data["inputs"][name]

    def get_node(self, name: str) -> Mapping[str, Any]:
        for node in self.data["nodes"]:
            if node["id"] == name:
                return node
        raise KeyError(f"Node {name} does not exist")

    def get_node_instances(self, node: str) -> Sequence[Mapping[str, Any]]:
        return [item for item in self.data["instances"] if item["node_id"] == node]

    def get_node_instance(self, instance_id: str) -> Mapping[str, Any]:
        for item in self.data["instances"]:
            if item["id"] == instance_id:
                return item
        raise KeyError(f"Node instance {instance_id} does not exist")

    def get_secret(self, key: str) -> Any:
        return self.data["secrets"][key]

    def get_capability(self, deployment_id: str, name: str) -> Any:
        return self.data["capabilities"][deployment_id][name]

    def get_group_deployments(self, group_id: str) -> Sequence[str]:
        return self.data["groups"][group_id]

    def get_label(self, key: str) -> Sequence[str]:
        return self.data["labels"].get(key, [])

    def get_system(self, entity: str, name: str) -> Any:
        return self.data["system"][entity][name]

    def get_consumers(self) -> Sequence[Mapping[str, Any]]:
        return self.data["consumers"]


class DataValues:
    """A `ValueSource` that knows the values in `found`, whatever the query; it keeps the queries it was asked."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.asked: list[tuple[str, Any, Mapping[str, Any]]] = []

    def has_deployment(self) -> bool:
        return self.data["deployment"]

    def has_blueprint(self) -> bool:
        return self.data["blueprint"]

    def matches(self, type_name: str, value: Any, query: Mapping[str, Any]) -> bool:
        self.asked.append((type_name, value, query))
        return value in self.data["found"]
