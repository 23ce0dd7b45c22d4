"""The section `plugins`, and the lists of plugins to install (contract §9.4, §10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import Fault, Path
from manager_core.dsl.properties import check_type_name

EXECUTORS = ("central_deployment_agent", "host_agent")

_PLUGIN: dict[str, str | None] = {
    "source": "string",
    "executor": "string",
    "install": "boolean",
    "install_arguments": "string",
    "package_name": "string",
    "package_version": "string",
    "supported_platform": "string",
    "distribution": "string",
    "distribution_version": "string",
    "distribution_release": "string",
    "properties_description": "string",
    "properties": "dict",
}
_PROPERTY: dict[str, str | None] = {"description": "string", "type": "string", "display_label": "string", "value": None}
_SINCE = {
    "install_arguments": (1, 1),
    "package_name": (1, 2),
    "package_version": (1, 2),
    "supported_platform": (1, 2),
    "distribution": (1, 2),
    "distribution_version": (1, 2),
    "distribution_release": (1, 2),
    "properties_description": (1, 5),
    "properties": (1, 5),
}

Pair = tuple[str, Any]
"""A plugin's name and the executor that an operation gives it."""


def parse(context: Context) -> dict[str, dict[str, Any]]:
    """Check the section and return each plugin's plan record."""
    return {
        name: record
        for name, body in context.section("plugins").items()
        if (record := _parse_one(context, name, body)) is not None
    }


def _parse_one(context: Context, name: str, body: Any) -> dict[str, Any] | None:
    path: Path = ("plugins", name)
    if body is None:
        context.findings.add(Fault.VAL, None, f"Plugin '{name}' must be a mapping, it is null", path)
        return None
    checked = context.record(body, _PLUGIN, path, required=("executor",))
    if checked is None:
        return None
    if context.version < (1, 5):
        for key in checked:
            since = _SINCE.get(key)
            if since is not None:
                context.gate(key, since, (*path, key))
    executor = checked.get("executor")
    if executor is not None and executor not in EXECUTORS:
        context.findings.log(
            18,
            f"Plugin '{name}' has an illegal 'executor' value '{executor}'; value must be either "
            f"'{EXECUTORS[0]}' or '{EXECUTORS[1]}'",
            (*path, "executor"),
            executor,
            context.findings.nearest(executor, EXECUTORS),
        )
    if checked.get("install", True) and not (checked.get("source") or checked.get("package_name")):
        text = f"Plugin '{name}' needs to be installed, but does not declare a source or package_name property"
        context.findings.log(50, text, path, name)
    properties: dict[str, Any] = {}
    for key, item in checked.get("properties", {}).items():
        properties[key] = _parse_property(context, name, key, item, (*path, "properties", key))
    record: dict[str, Any] = {key: checked.get(key) for key in _PLUGIN}
    record["install"] = checked.get("install", True)
    record["properties"] = properties
    record["name"] = name
    return record


def _parse_property(context: Context, plugin: str, name: str, body: Any, path: Path) -> dict[str, Any]:
    if body is None:
        context.findings.add(Fault.VAL, None, f"Property '{name}' of plugin '{plugin}' must be a mapping", path)
        return {}
    entry = context.record(body, _PROPERTY, path) or {}
    if "type" in entry:
        check_type_name(context, entry["type"], (*path, "type"))
    context.refuse_date(entry.get("value"), (*path, "value"))
    result: dict[str, Any] = plain(entry)
    return result


def records(plugins: dict[str, dict[str, Any]], pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    """Return a record for each (plugin, executor) pair, the executor put in."""
    return [
        {**plugins[name], "executor": executor, "properties": plain(plugins[name]["properties"])}
        for name, executor in pairs
    ]


def unique_by_name(lists: Iterable[Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the records of several lists, one a name, the first one kept."""
    found: dict[str, dict[str, Any]] = {}
    for items in lists:
        for item in items:
            if item["name"] not in found:
                found[item["name"]] = plain(item)
    return list(found.values())
