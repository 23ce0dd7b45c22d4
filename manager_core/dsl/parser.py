"""Blueprint text to plan: stage A of the language (contract §0, §20). The one entry point of the parser.

`parse` reads the main file, merges its imports, checks every section and collects every problem before it refuses.
It reads files through the resolver alone, and takes the instant and the default zone as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from manager_core.dsl import data_types, deployment_settings, inputs, outputs, plugins, policies, workflows
from manager_core.dsl.context import Context, plain
from manager_core.dsl.errors import DslErrors, Fault, Findings, Problem
from manager_core.dsl.functions import collect_requirements, validate
from manager_core.dsl.groups import Groups, parse_types
from manager_core.dsl.imports import FileCache, Importer
from manager_core.dsl.locations import place
from manager_core.dsl.merge import Merged, SourceFile, type_name
from manager_core.dsl.node_templates import NodeTemplates, plugin_lists
from manager_core.dsl.node_types import NodeTypes
from manager_core.dsl.operations import Operations
from manager_core.dsl.relationships import RelationshipTypes, TemplateRelationships
from manager_core.dsl.resolver import Found, Resolver
from manager_core.dsl.versions import plan_form

Plan = dict[str, Any]
"""The plan: JSON-serialisable, with the keys of contract §20. Parts of it are shared: nobody changes it in place."""

_CACHE = FileCache()


@dataclass(frozen=True)
class Options:
    """How strictly to parse.

    Attributes:
        check_versions: whether features newer than the version, and imports newer than the main file, are refused.
        check_functions: whether calls of intrinsic functions are checked.
        check_defaults: whether the defaults of inputs are held against their constraints.
    """

    check_versions: bool = True
    check_functions: bool = True
    check_defaults: bool = True


_IMPORTED = Options(check_versions=False, check_functions=False, check_defaults=False)
"""How a blueprint is checked that another one imports (contract §3.5)."""


def parse(
    main: Found,
    resolver: Resolver,
    *,
    now: datetime,
    timezone: str = "UTC",
    options: Options | None = None,
    cache: FileCache | None = None,
) -> Plan:
    """Turn a blueprint into its plan.

    Args:
        main: the main file; its url is what relative imports start from.
        resolver: finds imports, plugins, other blueprints and script files.
        now: the instant of the upload, aware; times of day in schedules mean this day.
        timezone: IANA name of the zone for schedule times that name none.
        options: how strictly; default: everything is checked.
        cache: parsed files; default: one for the process. Trees in it are never changed.

    Returns:
        The plan (contract §20).

    Raises:
        DslErrors: everything that is wrong, each problem with kind, code, file, line and column.
    """
    options = options or Options()
    findings = Findings()
    merged: Merged | None = None
    source = SourceFile(main.name, main.text)
    try:

        def check_blueprint(
            inner: Merged | None, inner_resolver: Resolver, known: Findings, inner_main: SourceFile
        ) -> list[Problem]:
            """An imported blueprint is checked on its own: its scripts lie beside its own main file."""
            if inner is not None and not known:
                _plan(_context(inner, known, inner_resolver, now, timezone, strict=False), _IMPORTED)
            return place(known.problems, inner, inner_main)

        importer = Importer(
            resolver,
            cache or _CACHE,
            findings,
            check_blueprint=check_blueprint,
            check_versions=options.check_versions,
        )
        merged = importer.run(main)
        if merged is not None:
            plan = _plan(_context(merged, findings, resolver, now, timezone, strict=options.check_versions), options)
            if not findings:
                return plan
    except DslErrors as errors:
        findings.problems += errors.problems
    except RecursionError:
        findings.problems.append(Problem(Fault.FMT, 1, "The blueprint is nested too deeply"))
    raise DslErrors(place(findings.problems, merged, source))


def _context(
    merged: Merged, findings: Findings, resolver: Resolver, now: datetime, timezone: str, *, strict: bool
) -> Context:
    return Context(
        merged,
        findings,
        check_versions=strict,
        is_file=resolver.is_file,
        now=now.astimezone(UTC),
        timezone=timezone,
    )


def _plan(context: Context, options: Options) -> Plan:
    """Check every section in the order in which they need one another."""
    merged = context.merged
    _check_plain_sections(context)
    types = data_types.parse(context)
    declared_inputs = inputs.parse(context, check_defaults=options.check_defaults)
    declared_plugins = plugins.parse(context)
    operations = Operations(context, declared_plugins)
    relationship_types = RelationshipTypes(context, operations)
    node_types = NodeTypes(context, operations)
    nodes = NodeTemplates(
        context, node_types, TemplateRelationships(context, relationship_types), declared_plugins
    ).build()
    declared_workflows = workflows.parse(context, operations)
    policy_types, policy_schemas = parse_types(context, "policy_types", "properties")
    policy_triggers, trigger_schemas = parse_types(context, "policy_triggers", "parameters")
    groups = Groups(context, policy_schemas, trigger_schemas).parse()
    declared_policies, scaling_groups = policies.parse(context, groups, nodes)
    central, on_hosts = plugin_lists(nodes)
    plan: Plan = {
        "version": plan_form(context.version),
        "description": merged.sections.get("description"),
        "metadata": plain(merged.sections.get("metadata")),
        "nodes": nodes,
        "relationships": relationship_types.plan,
        "workflows": declared_workflows,
        "inputs": declared_inputs,
        "outputs": outputs.parse_values(context, "outputs"),
        "capabilities": outputs.parse_values(context, "capabilities"),
        "groups": groups,
        "policies": declared_policies,
        "scaling_groups": scaling_groups,
        "policy_types": policy_types,
        "policy_triggers": policy_triggers,
        "labels": outputs.parse_labels(context, "labels"),
        "blueprint_labels": outputs.parse_labels(context, "blueprint_labels"),
        "resource_tags": outputs.parse_tags(context),
        "deployment_settings": deployment_settings.parse(context),
        "data_types": types,
        "deployment_plugins_to_install": central,
        "workflow_plugins_to_install": workflows.plugins_to_install(declared_workflows, declared_plugins),
        "host_agent_plugins_to_install": on_hosts,
        "imported_blueprints": merged.all_imported_blueprints(),
        "namespaces_mapping": dict(merged.namespaces_mapping),
    }
    if options.check_functions:
        _check_functions(context, plan)
    if not context.findings:
        plan["requirements"] = collect_requirements(plan)
    return plan


def _check_functions(context: Context, plan: Plan) -> None:
    """Check function calls. After other problems the plan has gaps, so what may only follow from them is left out."""
    had_problems = bool(context.findings)
    found = Findings()
    validate(plan, found, check_version=context.check_versions)
    for problem in found.problems:
        follows = (
            problem.kind is Fault.FEE
            or (problem.kind is Fault.KEY and problem.value in context.section("node_templates"))
            or (problem.kind is Fault.UNKNOWN_INPUT and problem.value in context.section("inputs"))
        )
        if not (had_problems and follows):
            context.findings.problems.append(problem)


def _check_plain_sections(context: Context) -> None:
    sections = context.merged.sections
    description = sections.get("description")
    if description is not None:
        context.gate_section("description", (1, 2))
        if not isinstance(description, str):
            text = f"Expected 'string' type but found '{type_name(description)}' type"
            context.findings.fmt(text, ("description",), description)
    metadata = sections.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        text = f"Expected 'dict' type but found '{type_name(metadata)}' type"
        context.findings.add(Fault.VAL, None, text, ("metadata",), value=metadata)
    definitions = sections.get("dsl_definitions")
    if definitions is not None:
        context.gate_section("dsl_definitions", (1, 2))
        if not isinstance(definitions, dict | list):
            text = f"Expected '['list', 'dict']' type but found '{type_name(definitions)}' type"
            context.findings.fmt(text, ("dsl_definitions",), definitions)
