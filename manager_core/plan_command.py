"""`cloudify-manager plan FILE`: a blueprint parsed offline, as a readable summary or as JSON, or all of its errors.

Nothing is stored and the network is never asked. The command's arguments are those of the typer app in `__main__`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import yaml

from manager_core.dsl.errors import DslErrors
from manager_core.dsl.instances import create_instances
from manager_core.dsl.parser import parse
from manager_core.dsl.prepare import prepare
from manager_core.dsl.resolver import FolderResolver, Found, ImportedBlueprint, plugins_in_folder
from manager_core.dsl.source import load
from manager_core.ids import instance_suffix
from manager_core.settings import Settings, host_timezone
from scheduler.clock import SystemClock


class Anything:
    """A value source for a blueprint that is not deployed: every object an input may name is taken to exist."""

    def has_deployment(self) -> bool:
        """Tell that there is a deployment to look in, so that no constraint is refused for want of one."""
        return True

    def has_blueprint(self) -> bool:
        """Tell that there is a blueprint to look in."""
        return True

    def matches(self, type_name: str, value: Any, query: Mapping[str, Any]) -> bool:
        """Tell that the value is found."""
        return True


def plan_command(
    file: Path,
    *,
    inputs: Sequence[str] = (),
    as_json: bool = False,
    plugins: Path | None = None,
    resources: Path | None = None,
    blueprints: Sequence[str] = (),
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Print a blueprint's plan, or everything that is wrong with it.

    Args:
        file: the main file.
        inputs: each ``name=value`` (the value read as YAML), a YAML mapping, or the path of a YAML file; when any is
            given, the JSON also has ``prepared``: the plan with values and its node instances.
        as_json: print the plan as JSON instead of a summary; errors too.
        plugins: folder with ``NAME/VERSION/plugin*.yaml``.
        resources: where relative imports are sought that are not beside the blueprint.
        blueprints: each ``ID=FILE`` of a blueprint that is imported.
        out: where the plan goes; default standard output.
        err: where errors go; default standard error.

    Returns:
        The exit code: 0, or 1 after printing errors.
    """
    out = out or sys.stdout
    err = err or sys.stderr
    try:
        plan = load_plan(
            file,
            plugins=plugins,
            resources=resources,
            blueprints=_blueprint_files(blueprints),
            now=SystemClock().now(),
            timezone=Settings().timezone or host_timezone(),
        )
        if inputs:
            plan["prepared"] = prepare_offline(plan, read_inputs(inputs))
    except DslErrors as errors:
        _print_errors(errors, as_json, out, err)
        return 1
    except (OSError, UnicodeDecodeError, ValueError) as error:
        err.write(f"error: {error}\n")
        return 1
    if as_json:
        json.dump(plan, out, indent=1)
        out.write("\n")
    else:
        out.write(summary(plan))
    return 0


def load_plan(
    file: Path,
    *,
    now: datetime,
    timezone: str = "UTC",
    plugins: Path | None = None,
    resources: Path | None = None,
    blueprints: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """Parse a blueprint on disk.

    Args:
        file: the main file.
        now: the instant that counts as the upload.
        timezone: zone of schedule times that name none.
        plugins: folder with ``NAME/VERSION/plugin*.yaml``.
        resources: where relative imports are sought that are not beside the blueprint.
        blueprints: id → main file of blueprints that are imported.

    Raises:
        DslErrors: everything that is wrong with the blueprint.
        OSError: the main file cannot be read.
    """
    known = blueprints or {}

    def resolver(main: Path) -> FolderResolver:
        return FolderResolver(
            main.parent,
            resources=[resources.resolve()] if resources is not None else [],
            plugins=plugins_in_folder(plugins) if plugins is not None else None,
            blueprints=imported,
            local_urls=True,
        )

    def imported(blueprint_id: str) -> ImportedBlueprint | None:
        path = known.get(blueprint_id)
        return ImportedBlueprint(_found(path), resolver(path.resolve())) if path is not None else None

    return parse(_found(file), resolver(file.resolve()), now=now, timezone=timezone)


def _found(path: Path) -> Found:
    return Found(str(path.resolve()), path.read_text(encoding="utf-8-sig"), str(path))


def prepare_offline(plan: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with values and `node_instances`; every secret and every named object is taken to exist."""

    def every_secret(names: Collection[str]) -> Collection[str]:
        return names

    prepared = prepare(plan, inputs, secrets=every_secret, values=Anything())
    prepared["node_instances"] = create_instances(prepared, ids=instance_suffix)
    return prepared


def _blueprint_files(texts: Sequence[str]) -> dict[str, Path]:
    result: dict[str, Path] = {}
    for text in texts:
        name, separator, path = text.partition("=")
        if not separator:
            raise ValueError(f"--blueprint wants ID=FILE, got {text!r}")
        result[name] = Path(path)
    return result


def read_inputs(texts: Sequence[str]) -> dict[str, Any]:
    """Read the command line's inputs; later ones win.

    Raises:
        ValueError: a text is none of ``name=value``, a YAML mapping, a YAML file.
        DslErrors: it is not YAML at all.
    """
    result: dict[str, Any] = {}
    for text in texts:
        if text.lstrip().startswith("{"):
            given = load(text, "--inputs")
        elif "=" not in text:
            given = load(Path(text).read_text(encoding="utf-8"), text)
        else:
            name, _, value = text.partition("=")
            given = {name.strip(): _value(value)}
        if not isinstance(given, dict):
            raise ValueError(f"inputs must be a mapping, got {text!r}")
        result.update(given)
    return result


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text) if text.strip() and text.isascii() else text
    except (yaml.YAMLError, ValueError):
        return text


def _print_errors(errors: DslErrors, as_json: bool, out: TextIO, err: TextIO) -> None:
    if as_json:
        json.dump({"errors": [problem.as_dict() for problem in errors.problems]}, out, indent=1)
        out.write("\n")
    for problem in errors.problems:
        place = f"{problem.file}:{problem.line}:{problem.column}: " if problem.line is not None else ""
        code = f"({problem.code})" if problem.code is not None else ""
        err.write(f"{place}{problem.exception_name}{code}: {problem.message}\n")
        if problem.path:
            err.write(f"    at {'.'.join(str(part) for part in problem.path)}\n")
        if problem.suggestion is not None:
            err.write(f"    did you mean {problem.suggestion!r}?\n")
    count = len(errors.problems)
    err.write(f"{count} error{'' if count == 1 else 's'}\n")


def summary(plan: dict[str, Any]) -> str:
    """Return a plan as text for reading."""
    lines = [f"{plan['version']['raw']}" + (f": {plan['description'].strip()}" if plan["description"] else "")]
    _inputs(plan["inputs"], lines)
    _nodes(plan["nodes"], lines)
    for section in ("outputs", "capabilities"):
        if plan[section]:
            lines.append(f"{section}:")
            lines += [f"  {name}: {_short(body.get('value'))}" for name, body in plan[section].items()]
    for section in ("groups", "scaling_groups"):
        if plan[section]:
            lines.append(f"{section.replace('_', ' ')}:")
            lines += [f"  {name}: {', '.join(body['members'])}" for name, body in plan[section].items()]
    if plan["labels"]:
        lines.append("labels:")
        lines += [f"  {name}: {_short(body.get('values'))}" for name, body in plan["labels"].items()]
    _schedules(plan["deployment_settings"].get("default_schedules", {}), lines)
    if plan["workflows"]:
        lines.append(f"workflows: {', '.join(sorted(plan['workflows']))}")
    plugins = {
        item["name"]
        for key in ("deployment_plugins_to_install", "workflow_plugins_to_install", "host_agent_plugins_to_install")
        for item in plan[key]
    }
    if plugins:
        lines.append(f"plugins: {', '.join(sorted(plugins))}")
    if plan["requirements"]["secrets"]:
        lines.append(f"secrets: {', '.join(sorted({_short(item) for item in plan['requirements']['secrets']}))}")
    if plan["imported_blueprints"]:
        lines.append(f"imported blueprints: {', '.join(plan['imported_blueprints'])}")
    prepared = plan.get("prepared")
    if prepared is not None:
        lines.append("prepared:")
        lines += [f"  input {name} = {_short(value)}" for name, value in prepared["inputs"].items()]
        lines += [f"  instance {item['id']}" for item in prepared["node_instances"]]
    return "\n".join(lines) + "\n"


def _inputs(inputs: dict[str, Any], lines: list[str]) -> None:
    if not inputs:
        return
    lines.append("inputs:")
    for name, schema in inputs.items():
        kind = schema.get("type", "any")
        if "default" in schema:
            note = f"default {_short(schema['default'])}"
        else:
            note = "required" if schema.get("required", True) else "optional"
        lines.append(f"  {name}: {kind}, {note}")


def _nodes(nodes: list[dict[str, Any]], lines: list[str]) -> None:
    lines.append(f"nodes ({len(nodes)}):")
    for node in nodes:
        scalable = node["capabilities"]["scalable"]["properties"]
        count = scalable["default_instances"]
        times = "" if count == 1 else f" ×{_short(count)}"
        host = f" on {node['host_id']}" if node.get("host_id") not in (None, node["id"]) else ""
        lines.append(f"  {node['id']}: {node['type']}{times}{host}")
        for relationship in node["relationships"]:
            lines.append(f"    {relationship['type'].rpartition('.')[2]} → {relationship['target_id']}")
        for name, operation in node["operations"].items():
            if operation["plugin"] and "." in name:
                text = operation["inputs"].get("script_path", operation["operation"])
                lines.append(f"    {name}: {operation['plugin']} {_short(text)} ({operation['executor']})")


def _schedules(schedules: dict[str, Any], lines: list[str]) -> None:
    if schedules:
        lines.append("default schedules:")
    for name, item in schedules.items():
        rule = item.get("recurrence") or item.get("rrule") or "once"
        lines.append(f"  {name}: {item['workflow']}, {rule}, since {item['since']} ({item['timezone']})")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"
