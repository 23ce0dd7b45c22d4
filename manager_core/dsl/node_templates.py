"""The section `node_templates`: the plan's nodes (contract §9)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl import scalable
from manager_core.dsl.context import Context, listed
from manager_core.dsl.errors import Path
from manager_core.dsl.hierarchy import circular
from manager_core.dsl.node_types import NodeTypes
from manager_core.dsl.operations import check_interfaces
from manager_core.dsl.plugins import Pair, records, unique_by_name
from manager_core.dsl.properties import resolve
from manager_core.dsl.relationships import CONTAINED_IN, TemplateRelationships

_KEYS: dict[str, str | None] = {
    "type": "string",
    "instances": "dict",
    "capabilities": "dict",
    "interfaces": "dict",
    "relationships": "list",
    "properties": "dict",
}

Node = dict[str, Any]


class NodeTemplates:
    """Builds the plan's nodes.

    Args:
        context: the blueprint.
        types: its node types.
        relationships: turns relationship lists into their plan form.
        plugins: the plugins' plan records.
    """

    def __init__(
        self,
        context: Context,
        types: NodeTypes,
        relationships: TemplateRelationships,
        plugins: dict[str, dict[str, Any]],
    ) -> None:
        self._context = context
        self._types = types
        self._relationships = relationships
        self._plugins = plugins
        self._hosts: dict[str, bool] = {}

    def build(self) -> list[Node]:
        """Check every template and return the nodes in the order of the text."""
        nodes: dict[str, Node] = {}
        pairs: dict[str, dict[Pair, None]] = {}
        from_targets: dict[str, list[Pair]] = {}
        for name, body in self._context.section("node_templates").items():
            built = self._build_one(name, body)
            if built is None:
                continue
            nodes[name], pairs[name], targets = built
            for target, found in targets.items():
                from_targets.setdefault(target, []).extend(found)
        self._check_cycles()
        self._find_hosts(nodes)
        for name, found in from_targets.items():
            if name in pairs:
                pairs[name].update(dict.fromkeys(found))
        self._add_plugins(nodes, pairs)
        return list(nodes.values())

    def _build_one(self, name: str, body: Any) -> tuple[Node, dict[Pair, None], dict[str, list[Pair]]] | None:
        context = self._context
        path: Path = ("node_templates", name)
        entry = context.record(body, _KEYS, path, required=("type",))
        if entry is None or "type" not in entry:
            return None
        type_ = entry["type"]
        relationships, source_pairs, targets = self._relationships.build(name, entry.get("relationships"), type_)
        if type_ not in self._types.hierarchies:
            if type_ not in self._types.names:
                text = f"Could not locate node type: '{type_}'; existing types: {listed(self._types.names)}"
                context.findings.log(
                    7, text, (*path, "type"), type_, context.findings.nearest(type_, self._types.names)
                )
            return None
        template = check_interfaces(context, entry.get("interfaces"), (*path, "interfaces"), typed=False)
        where = f"In node '{name}' of type '{type_}'"
        built = self._types.interfaces(type_).build(template, where, path, (*path, "interfaces"))
        node: Node = {
            "id": name,
            "name": name,
            "type": type_,
            "type_hierarchy": list(self._types.hierarchies[type_]),
            "properties": resolve(
                context, self._types.schema(type_), entry.get("properties", {}), (*path, "properties"), name
            ),
            "instances": {},
            "capabilities": {},
            "interfaces": built.interfaces,
            "operations": built.operations,
            "relationships": relationships,
        }
        self._add_instances(node, entry, path)
        pairs = built.pairs
        pairs.update(dict.fromkeys(source_pairs))
        return node, pairs, targets

    def _add_instances(self, node: Node, entry: dict[str, Any], path: Path) -> None:
        context = self._context
        deploy = 1
        if "instances" in entry:
            given = context.record(entry["instances"], {"deploy": "integer"}, (*path, "instances"), ("deploy",))
            number = (given or {}).get("deploy")
            if number is not None and number < 0:
                text = f"'instances.deploy' must not be negative, it is {number}"
                context.findings.fmt(text, (*path, "instances", "deploy"), number)
            elif number is not None:
                deploy = int(number)
                node["instances"] = {"deploy": deploy}
        properties: Any = None
        here = (*path, "capabilities")
        if "capabilities" in entry:
            context.gate("capabilities", (1, 3), here)
            if "instances" in entry:
                text = f"Node '{node['name']}' defines both instances.deploy and capabilities.scalable "
                context.findings.log(209, f"{text}(Note: instances.deploy is deprecated)", here)
            given = context.record(entry["capabilities"], {"scalable": "dict"}, here) or {}
            inner = context.record(given.get("scalable"), {"properties": "dict"}, (*here, "scalable")) or {}
            properties = inner.get("properties")
        values = scalable.parse(context, properties, (*here, "scalable", "properties"), deploy)
        node["capabilities"] = {"scalable": {"properties": values}}

    def _check_cycles(self) -> None:
        """Refuse a directed cycle over relationships of all kinds, also of templates that are wrong in other ways."""
        targets = {name: _targets(name, body) for name, body in self._context.section("node_templates").items()}
        finished: set[str] = set()
        for start in targets:
            if start in finished:
                continue
            trail = [start]
            places = {start: 0}
            stack = [iter(targets[start])]
            while stack:
                name = next(stack[-1], None)
                if name is None:
                    stack.pop()
                    done = trail.pop()
                    del places[done]
                    finished.add(done)
                elif name in places:
                    circle = trail[places[name] :]
                    text = circular([*circle, name])
                    self._context.findings.log(100, text, ("node_templates", circle[-1], "relationships"), name)
                    return
                elif name in targets and name not in finished:
                    places[name] = len(trail)
                    trail.append(name)
                    stack.append(iter(targets[name]))

    def _find_hosts(self, nodes: dict[str, Node]) -> None:
        containers = {
            name: next(
                (item["target_id"] for item in node["relationships"] if CONTAINED_IN in item["type_hierarchy"]), None
            )
            for name, node in nodes.items()
        }
        hosts: dict[str, str | None] = {}
        for start in nodes:
            chain: list[str] = []
            name: str | None = start
            while name is not None and name in nodes and name not in hosts:
                if self._is_host(nodes[name]["type"]):
                    hosts[name] = name
                    break
                if name in chain:  # a containment cycle, reported already
                    break
                chain.append(name)
                name = containers[name]
            host = hosts.get(name) if name is not None else None
            for item in chain:
                hosts[item] = host
        for name, node in nodes.items():
            if hosts.get(name) is not None:
                node["host_id"] = hosts[name]

    def _is_host(self, type_: str) -> bool:
        known = self._hosts.get(type_)
        if known is None:
            known = self._hosts[type_] = self._types.is_host(type_)
        return known

    def _add_plugins(self, nodes: dict[str, Node], pairs: dict[str, dict[Pair, None]]) -> None:
        on_host: dict[str, dict[str, Pair]] = {}
        for name, node in nodes.items():
            found = [pair for pair in pairs[name] if pair[0] in self._plugins]
            node["plugins"] = records(self._plugins, found)
            node["deployment_plugins_to_install"] = records(
                self._plugins, [pair for pair in found if pair[1] == "central_deployment_agent"]
            )
            host = node.get("host_id")
            for pair in found:
                if pair[1] != "host_agent":
                    continue
                if host is None:
                    text = (
                        f"node '{name}' has no relationship which makes it contained within a host and it has a plugin "
                        f"'{pair[0]}' with 'host_agent' as an executor. These types of plugins must be installed on a "
                        "host"
                    )
                    self._context.findings.log(24, text, ("node_templates", name), pair[0])
                else:
                    on_host.setdefault(host, {}).setdefault(pair[0], pair)
        for name, node in nodes.items():
            if self._is_host(node["type"]):
                node["plugins_to_install"] = records(self._plugins, on_host.get(name, {}).values())


def _targets(name: str, body: Any) -> list[str]:
    """Return the nodes that a template as written points at, itself left out."""
    entries = body.get("relationships") if isinstance(body, dict) else None
    targets = [item.get("target") for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []
    return [target for target in targets if isinstance(target, str) and target != name]


def plugin_lists(nodes: list[Node]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the plan's `deployment_plugins_to_install` and `host_agent_plugins_to_install`."""
    return (
        unique_by_name(node["deployment_plugins_to_install"] for node in nodes),
        unique_by_name(node.get("plugins_to_install", ()) for node in nodes),
    )
