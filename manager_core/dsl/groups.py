"""The sections `groups`, `policy_types` and `policy_triggers` (contract §12.1, §12.2)."""

from __future__ import annotations

from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Path
from manager_core.dsl.merge import type_name
from manager_core.dsl.properties import Schema, check_schema, inherit, resolve

_GROUP: dict[str, str | None] = {"members": "list", "policies": "dict"}
_POLICY: dict[str, str | None] = {"type": "string", "properties": "dict", "triggers": "dict"}
_TRIGGER: dict[str, str | None] = {"type": "string", "parameters": "dict"}


def parse_types(context: Context, section: str, schema_key: str) -> tuple[dict[str, Any], dict[str, Schema]]:
    """Check `policy_types` (schema key ``properties``) or `policy_triggers` (``parameters``).

    Returns:
        The plan form, and each type's schema.
    """
    plan: dict[str, Any] = {}
    schemas: dict[str, Schema] = {}
    for name, body in context.section(section).items():
        path: Path = (section, name)
        if body is None:
            plan[name], schemas[name] = {}, {}
            continue
        checked = context.record(body, {"source": "string", schema_key: "dict"}, path, required=("source",))
        if checked is None:
            continue
        own = check_schema(context, checked.get(schema_key), (*path, schema_key), name)
        schemas[name] = inherit(context, {}, own, (*path, schema_key), name)
        plan[name] = {schema_key: plain(schemas[name]), "source": checked.get("source")}
    return plan, schemas


class Groups:
    """Checks the section `groups`.

    Args:
        context: the blueprint.
        policy_types: schemas of the policy types.
        triggers: schemas of the policy triggers.
    """

    def __init__(self, context: Context, policy_types: dict[str, Schema], triggers: dict[str, Schema]) -> None:
        self._context = context
        self._types = policy_types
        self._triggers = triggers
        self._nodes = context.section("node_templates")
        self._groups = context.section("groups")

    def parse(self) -> dict[str, Any]:
        """Return the plan's groups; members in the order of the text, each once."""
        result: dict[str, Any] = {}
        for name, body in self._groups.items():
            path: Path = ("groups", name)
            if name in self._nodes:
                self._context.findings.log(211, f"Both a group and a node template are named '{name}'", path, name)
            if body is None:
                result[name] = {}
                continue
            checked = self._context.record(body, _GROUP, path, required=("members",))
            if checked is None:
                continue
            result[name] = {
                "members": self._members(name, checked.get("members"), (*path, "members")),
                "policies": self._policies(name, checked.get("policies"), (*path, "policies")),
            }
        return result

    def _members(self, group: str, members: Any, path: Path) -> list[str]:
        findings = self._context.findings
        if members is None:
            return []
        if not members:
            findings.fmt("At least one member should be specified", path, members)
        result: dict[str, None] = {}
        for index, member in enumerate(members):
            if member is not None and not isinstance(member, str):
                findings.fmt(f"Expected 'string' type but found '{type_name(member)}' type", (*path, index), member)
            elif member is None or (member not in self._nodes and member not in self._groups):
                text = f"Member '{member}' of group '{group}' does not match any defined node"
                findings.log(40, text, (*path, index), member, findings.nearest(member, [*self._nodes, *self._groups]))
            else:
                result[member] = None
        return list(result)

    def _policies(self, group: str, policies: Any, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, body in (self._context.mapping(policies, path) or {}).items():
            here = (*path, name)
            checked = self._context.record(body, _POLICY, here, required=("type",))
            if checked is None or "type" not in checked:
                continue
            type_ = checked["type"]
            triggers = self._parse_triggers(group, name, checked.get("triggers"), (*here, "triggers"))
            if type_ not in self._types:
                text = f"Policy '{name}' of group '{group}' references a non existent policy type '{type_}'"
                self._context.findings.log(
                    41, text, (*here, "type"), type_, self._context.findings.nearest(type_, self._types)
                )
                continue
            owner = f"group '{group}', policy '{name}'"
            properties = self._resolve(
                self._types[type_], checked.get("properties"), (*here, "properties"), owner, "property", "policy type"
            )
            result[name] = {"type": type_, "properties": properties, "triggers": triggers}
        return result

    def _parse_triggers(self, group: str, policy: str, triggers: Any, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, body in (self._context.mapping(triggers, path) or {}).items():
            here = (*path, name)
            checked = self._context.record(body, _TRIGGER, here, required=("type",))
            if checked is None or "type" not in checked:
                continue
            type_ = checked["type"]
            if type_ not in self._triggers:
                text = (
                    f"Trigger '{name}' of policy '{policy}' of group '{group}' references a non existent "
                    f"'policy trigger '{type_}'"
                )
                self._context.findings.log(
                    42, text, (*here, "type"), type_, self._context.findings.nearest(type_, self._triggers)
                )
                continue
            owner = f"group '{group}', policy '{policy}' trigger '{name}'"
            parameters = self._resolve(
                self._triggers[type_], checked.get("parameters"), (*here, "parameters"), owner, "parameter", "trigger"
            )
            result[name] = {"type": type_, "parameters": parameters}
        return result

    def _resolve(self, schema: Schema, given: Any, path: Path, owner: str, what: str, kind: str) -> dict[str, Any]:
        def say(code: int, member: str) -> str:
            if code == 106:
                return f"{owner} '{member}' {what} is not part of the {kind} properties schema"
            return (
                f"{owner} does not provide a value for mandatory '{member}' {what} which is part of its {kind} schema"
            )

        return resolve(self._context, schema, given or {}, path, owner, say=say)
