"""Every row of "What cfy needs" (REST contract §22.1) is driven by a test of this folder."""

from __future__ import annotations

import ast
from pathlib import Path

IN_WORDS = [
    "profiles use", "profiles use --manager-token", "profiles set", "profiles list", "profiles show-current",
    "--version", "status", "maintenance-mode status", "maintenance-mode activate", "maintenance-mode activate --wait",
    "maintenance-mode deactivate", "blueprints upload", "blueprints upload --async-upload", "blueprints validate",
    "blueprints list", "blueprints list -lr", "blueprints list --filter-id", "blueprints get", "blueprints inputs",
    "blueprints download", "blueprints delete", "blueprints delete -f", "blueprints labels add",
    "blueprints labels delete", "blueprints labels list", "blueprints set-visibility", "blueprints set-global",
    "blueprints summary", "blueprints filters create", "blueprints filters update", "blueprints filters get",
    "blueprints filters list", "blueprints filters delete", "deployments labels add", "deployments labels delete",
    "deployments labels list", "deployments create", "deployments list", "deployments list -lr",
    "deployments list --filter-id", "deployments inputs", "deployments outputs", "deployments capabilities",
    "deployments update", "deployments update --preview", "deployments delete", "deployments delete -f",
    "deployments history", "deployments get-update", "deployments set-visibility", "deployments set-site",
    "deployments summary", "deployments filters create", "deployments filters update", "deployments filters get",
    "deployments filters list", "deployments filters delete", "deployments modifications list",
    "deployments modifications get", "deployments modifications rollback", "deployments schedule create",
    "deployments schedule list", "deployments schedule get", "deployments schedule update",
    "deployments schedule enable", "deployments schedule disable", "deployments schedule delete",
    "deployments schedule summary", "executions start", "executions start --queue", "executions start --dry-run",
    "executions start --schedule", "executions list", "executions get", "executions cancel", "executions cancel -k",
    "executions cancel -f", "executions resume", "executions resume --reset-operations", "executions delete",
    "executions graphs list", "executions operations list", "executions operations get", "executions summary",
    "events list", "events list --tail", "events list --from", "events list --node", "events delete",
    "workflows list", "workflows get", "groups list", "nodes list", "nodes get", "nodes summary",
    "node-instances list", "node-instances get", "node-instances update-runtime", "node-instances delete-runtime",
    "node-instances summary", "plugins upload", "plugins list", "plugins get", "plugins download", "plugins delete",
    "plugins set-visibility", "plugins set-global", "secrets create", "secrets get", "secrets list", "secrets delete",
    "secrets update", "secrets set-visibility", "secrets set-global", "secrets export", "secrets import",
    "snapshots create", "snapshots create -w", "snapshots list", "snapshots download", "snapshots delete",
    "snapshots upload", "snapshots restore", "snapshots status", "tenants list", "tenants get", "tenants create",
    "tenants delete", "tenants add-user", "tenants update-user", "tenants remove-user", "users list", "users get",
    "users create", "users delete", "users set-role", "users set-password", "users activate", "users deactivate",
    "users unlock", "tokens create", "tokens list", "tokens get", "tokens delete", "permissions list", "config list",
    "config update", "install", "uninstall", "apply",
]  # fmt: skip
"""Commands, some with an option that makes other requests."""

AS_JSON = [
    "status", "profiles list", "profiles show-current", "blueprints list", "blueprints get", "blueprints inputs",
    "blueprints labels list", "blueprints filters list", "blueprints filters get", "blueprints summary",
    "deployments list", "deployments inputs", "deployments outputs", "deployments capabilities",
    "deployments labels list", "deployments filters list", "deployments filters get", "deployments summary",
    "deployments history", "deployments get-update", "deployments update --preview", "deployments modifications list",
    "deployments modifications get", "deployments schedule list", "deployments schedule summary", "executions list",
    "executions get", "executions graphs list", "executions operations list", "executions operations get",
    "executions summary", "executions start", "events list", "workflows list", "workflows get", "nodes list",
    "nodes get", "nodes summary", "node-instances list", "node-instances get", "node-instances summary",
    "plugins list", "plugins get", "secrets list", "secrets get", "snapshots list", "tenants list", "tenants get",
    "users list", "users get", "tokens create", "tokens list", "tokens get", "permissions list", "config list",
]  # fmt: skip
"""Commands that show something; `deployments schedule get --json` crashes in the client (§22.3)."""


def _literals(node: ast.expr, known: dict[str, list[str]]) -> list[str]:
    """Return the texts a command line is written with; names of tuples are followed, other values stand as `?`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.Starred):
        return _literals(node.value, known)
    if isinstance(node, ast.Tuple):
        return [text for item in node.elts for text in _literals(item, known)]
    if isinstance(node, ast.Name):
        return known.get(node.id, ["?"])
    if isinstance(node, ast.Attribute) and node.attr == "profile":
        return ["profiles", "use"]
    return ["?"]


def driven() -> list[tuple[bool, list[str]]]:
    """Return (asks for JSON, words) of every `cfy` command the tests of this folder run."""
    found = []
    for path in sorted(Path(__file__).parent.glob("test_cfy*.py")):
        tree = ast.parse(path.read_text())
        scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]
        outer: dict[str, list[str]] = {}
        for scope in scopes:
            known = dict(outer)
            for node in ast.walk(scope):
                if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and isinstance(node.iter, ast.Tuple):
                    known[node.target.id] = _literals(node.iter, known)
                elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                    name = node.targets[0]
                    if isinstance(name, ast.Name):
                        known[name.id] = _literals(node.value, known)
            if scope is tree:
                outer = {name: words for name, words in known.items() if name.isupper()}
                continue
            for node in ast.walk(scope):
                if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
                    continue
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                words = [text for argument in node.args for text in _literals(argument, known)]
                found.append((name == "json" or "--json" in words, words))
    return found


def _runs(words: list[str], row: str) -> bool:
    command = [word for word in row.split() if not word.startswith("-")] or row.split()
    options = [word for word in row.split() if word.startswith("-")]
    return words[: len(command)] == command and all(option in words for option in options)


def test_every_row_is_driven() -> None:
    commands = [words for as_json, words in driven() if not as_json]
    assert [row for row in IN_WORDS if not any(_runs(words, row) for words in commands)] == []


def test_every_row_that_shows_something_is_driven_with_json() -> None:
    commands = [words for as_json, words in driven() if as_json]
    assert [row for row in AS_JSON if not any(_runs(words, row) for words in commands)] == []
