"""A plugin's YAML for `cloudify_dsl_1_3` blueprints, when the plugin brings none (blueprint-dsl contract §3.4). Pure.

What that version does not know is taken out: types that name objects of the manager become plain strings, typed lists
and rules of availability go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from manager_core.dsl.source import load

FILE = "plugin_1_3.yaml"
_SUFFIXES = ("_1_3.yaml", "_1_3.yml")
_OBJECT_TYPES = frozenset(
    {
        "blueprint_id", "capability_value", "deployment_id", "node_id", "node_instance", "node_type", "operation_name",
        "scaling_group", "secret_key",
    }
)  # fmt: skip


def with_older(texts: dict[str, str]) -> dict[str, str]:
    """Return a plugin's YAML files, with one for version 1_3 if they have none and use what it does not know.

    Args:
        texts: file name → text; each is a mapping in YAML.
    """
    if not texts or any(name.endswith(_SUFFIXES) for name in texts):
        return texts
    source = "plugin.yaml" if "plugin.yaml" in texts else min(texts)
    tree = load(texts[source], source)
    older = _older(tree)
    if older == tree:
        return texts
    return {**texts, FILE: yaml.safe_dump(older, sort_keys=False, allow_unicode=True)}


def _older(tree: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(tree)
    if "inputs" in found:
        found["inputs"] = _schema(found["inputs"])
    for section in ("data_types", "node_types"):
        if section in found:
            found[section] = _each(found[section], _with_properties)
    if "relationships" in found:
        found["relationships"] = _each(found["relationships"], _relationship)
    if "workflows" in found:
        found["workflows"] = _each(found["workflows"], _workflow)
    return found


def _each(section: Any, change: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {name: change(body) if isinstance(body, Mapping) else body for name, body in section.items()}


def _with_properties(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "properties": _schema(body["properties"])} if "properties" in body else dict(body)


def _workflow(body: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in body.items() if name != "availability_rules"}
    if "parameters" in found:
        found["parameters"] = _schema(found["parameters"])
    return found


def _relationship(body: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(body)
    for side in ("source_interfaces", "target_interfaces"):
        if side in found:
            found[side] = _each(found[side], lambda interface: _each(interface, _operation))
    return found


def _operation(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "inputs": _schema(body["inputs"])} if "inputs" in body else dict(body)


def _schema(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    found = {}
    for name, entry in section.items():
        if isinstance(entry, Mapping):
            if "item_type" in entry:
                continue
            if entry.get("type") in _OBJECT_TYPES:
                entry = {key: value for key, value in entry.items() if key != "constraints"} | {"type": "string"}
        found[name] = entry
    return found
