"""The scenarios of the workflow oracle: node templates, and workflows run on them one after the other.

A run is ``(workflow, parameters, settings)``; `order` names what must be over before what begins, in both engines,
as ``"node.operation < node.operation"`` (a relationship operation is called ``source>target.operation``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Run = tuple[str, dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Scenario:
    """One blueprint and what is run on it."""

    name: str
    nodes: str
    runs: list[Run]
    order: list[str] = field(default_factory=list)
    side_by_side: bool = False
    """Whether different operations of one instance run in parallel, so that their order says nothing."""


def run(workflow: str, settings: dict[str, Any] | None = None, /, **parameters: Any) -> Run:
    """Return one run; `settings`: task_retries, task_retry_interval, subgraph_retries."""
    return workflow, parameters, settings or {}


CHAIN = """
  a: {type: full}
  b: {type: full, relationships: [{type: linked, target: a}]}
  c: {type: basic, relationships: [{type: linked, target: b}, {type: linked, target: a}]}
  d: {type: bare, relationships: [{type: cloudify.relationships.depends_on, target: c}]}
"""
CHAIN_ORDER = ["a.start < b.precreate", "b.start < c.create", "a.start < c.create"]
CONTAINED = """
  vm: {type: host}
  app: {type: basic, relationships: [{type: inside, target: vm}]}
  db: {type: basic, relationships: [{type: inside, target: vm}]}
  lb: {type: basic, relationships: [{type: linked, target: app}]}
"""


def one(behave: str = "{}", kind: str = "basic") -> str:
    """Return a single node that behaves as told."""
    return f"\n  a: {{type: {kind}, properties: {{behave: {behave}}}}}\n"


def two(behave: str, kind: str = "basic") -> str:
    """Return a node that behaves as told and one that depends on it."""
    return (
        one(behave, kind)
        + "  b: {type: basic, relationships: [{type: cloudify.relationships.depends_on, target: a}]}\n"
    )


FAILS = "{create: {fail_times: 99, sleep: 0.1}}"
"""The sleep lets what runs beside it finish: what still runs at the end of a workflow is nobody's promise."""
FAILS_ONCE = "{create: {fail_times: 1}}"
RETRY_3 = {"task_retries": 3}

SCENARIOS = [
    Scenario("install and uninstall", CHAIN, [run("install"), run("uninstall")], [*CHAIN_ORDER]),
    Scenario("install again changes nothing", CHAIN, [run("install"), run("install")], CHAIN_ORDER),
    Scenario(
        "uninstall twice", two("{}"), [run("install"), run("uninstall"), run("uninstall")], ["a.start < b.create"]
    ),
    Scenario("install after uninstall", two("{}"), [run("install"), run("uninstall"), run("install")]),
    Scenario("reinstall", CHAIN, [run("install"), run("reinstall")]),
    Scenario("reinstall of one", CHAIN, [run("install"), run("reinstall", node_ids=["b"])]),
    Scenario("install of a subset", CHAIN, [run("install", node_ids=["a"]), run("install", node_ids=["b"])]),
    Scenario("install by type", CHAIN, [run("install", type_names=["full"])], ["a.start < b.precreate"]),
    Scenario("filters are conjunctive", CHAIN, [run("install", type_names=["full"], node_ids=["b", "c"])]),
    Scenario("uninstall of a target", CHAIN, [run("install"), run("uninstall", node_ids=["a"])]),
    Scenario(
        "several instances",
        "\n  a: {type: basic, capabilities: {scalable: {properties: {default_instances: 3}}}}\n"
        "  b: {type: half, relationships: [{type: linked, target: a}]}\n",
        [run("install"), run("uninstall")],
        ["a.start < b.create"],
    ),
    Scenario(
        "a host and what it contains",
        CONTAINED,
        [run("install"), run("uninstall")],
        ["vm.start < app.create", "vm.start < db.create", "app.start < lb.create"],
    ),
    Scenario("a host that does not answer at once", one(kind="host"), [run("install")]),
    Scenario("failing create", two(FAILS), [run("install")]),
    Scenario("failing configure", two("{configure: {fail_times: 99}}"), [run("install")]),
    Scenario("failing start", two("{start: {fail_times: 99}}"), [run("install"), run("install"), run("uninstall")]),
    Scenario("non-recoverable", two("{create: {fail_times: 99, kind: nonrecoverable}}"), [run("install", RETRY_3)]),
    Scenario(
        "recovers within the retries",
        two("{create: {fail_times: 2}}"),
        [run("install", RETRY_3)],
        ["a.start < b.create"],
    ),
    Scenario(
        "recoverable with its own delay",
        one("{create: {fail_times: 2, kind: recoverable, retry_after: 0}}"),
        [run("install", {"task_retries": 3, "task_retry_interval": 100})],
    ),
    Scenario("asks for a retry", one("{create: {fail_times: 2, kind: ctx_retry}}"), [run("install", RETRY_3)]),
    Scenario("asks for too many retries", one("{create: {fail_times: 9, kind: ctx_retry}}"), [run("install", RETRY_3)]),
    Scenario("raises OperationRetry", one("{create: {fail_times: 2, kind: raise_retry}}"), [run("install", RETRY_3)]),
    Scenario("retries of the operation win", one("{create: {fail_times: 3}}", "stubborn"), [run("install")]),
    Scenario(
        "retries of the operation run out",
        one("{start: {fail_times: 9}}", "stubborn"),
        [run("install", {"task_retries": 9})],
    ),
    Scenario(
        "independent branches finish",
        "\n  a: {type: basic, properties: {behave: {create: {fail_times: 9}}}}\n"
        "  b: {type: basic, relationships: [{type: linked, target: a}]}\n  c: {type: basic}\n"
        "  d: {type: basic, relationships: [{type: linked, target: c}]}\n",
        [run("install")],
        ["c.start < d.create"],
    ),
    Scenario(
        "two failures",
        "\n  a: {type: basic, properties: {behave: {create: {fail_times: 9}}}}\n"
        "  b: {type: basic, properties: {behave: {start: {fail_times: 9, sleep: 0.05}}}}\n",
        [run("install")],
    ),
    Scenario(
        "uninstall stops at a failure",
        two("{}").replace("b: {type: basic,", "b: {type: basic, properties: {behave: {stop: {fail_times: 9}}},"),
        [run("install"), run("uninstall")],
    ),
    Scenario(
        "uninstall ignores failures",
        "\n  a: {type: full, properties: {behave: {stop: {fail_times: 9}, delete: {fail_times: 9}}}}\n",
        [run("install"), run("uninstall", ignore_failure=True)],
    ),
    Scenario(
        "lifecycle retry of an install", two("{start: {fail_times: 99}}"), [run("install", {"subgraph_retries": 2})]
    ),
    Scenario(
        "lifecycle retry of an uninstall",
        one("{stop: {fail_times: 99}}"),
        [run("install"), run("uninstall", {"subgraph_retries": 1})],
    ),
    Scenario("rollback from starting", one("{start: {fail_times: 9}}", "full"), [run("install"), run("rollback")]),
    Scenario("rollback from creating", one(FAILS, "full"), [run("install"), run("rollback")]),
    Scenario(
        "rollback from configuring", one("{configure: {fail_times: 9}}", "full"), [run("install"), run("rollback")]
    ),
    Scenario("full rollback", two("{start: {fail_times: 9}}"), [run("install"), run("rollback", full_rollback=True)]),
    Scenario(
        "start, stop, restart, pull", CHAIN, [run("install"), run("stop"), run("start"), run("restart"), run("pull")]
    ),
    Scenario(
        "operation by order",
        CHAIN,
        [run("execute_operation", operation="cloudify.interfaces.lifecycle.pull", run_by_dependency_order=True)],
        ["a.pull < b.pull"],
    ),
    Scenario(
        "operation passes order through what is not selected",
        CHAIN,
        [
            run(
                "execute_operation",
                operation="cloudify.interfaces.lifecycle.start",
                run_by_dependency_order=True,
                node_ids=["a", "c"],
            )
        ],
        ["a.start < c.start"],
    ),
    Scenario(
        "operation nobody maps", CHAIN, [run("execute_operation", operation="cloudify.interfaces.lifecycle.heal")]
    ),
    Scenario(
        "operation with arguments",
        one(),
        [run("execute_operation", operation="cloudify.interfaces.lifecycle.start", operation_kwargs={"x": 1})],
    ),
    Scenario(
        "operation arguments override",
        one(),
        [
            run(
                "execute_operation",
                operation="cloudify.interfaces.lifecycle.create",
                operation_kwargs={"declared": 1},
                allow_kwargs_override=True,
            )
        ],
    ),
    Scenario(
        "operation arguments twice",
        one(),
        [run("execute_operation", operation="cloudify.interfaces.lifecycle.create", operation_kwargs={"declared": 1})],
    ),
    Scenario("check_status", CHAIN, [run("install"), run("check_status")]),
    Scenario(
        "failing check_status",
        one("{check_status: {fail_times: 9}}", "full"),
        [run("install"), run("check_status", RETRY_3)],
    ),
    Scenario("check_drift", CHAIN, [run("install"), run("check_drift")]),
    Scenario("heal of a healthy deployment", CHAIN, [run("install"), run("heal")]),
    Scenario(
        "heal reinstalls",
        "\n  a: {type: full, properties: {behave: {check_status: {fail_times: 9}}}}\n"
        "  b: {type: basic, relationships: [{type: linked, target: a}]}\n",
        [run("install"), run("heal")],
    ),
    Scenario("heal heals", one("{check_status: {fail_times: 9}}", "healing"), [run("install"), run("heal")]),
    Scenario(
        "heal falls back to reinstall",
        one("{check_status: {fail_times: 9}, heal: {fail_times: 9}}", "healing"),
        [run("install"), run("heal")],
    ),
    Scenario(
        "heal may not reinstall",
        one("{check_status: {fail_times: 9}}", "full"),
        [run("install"), run("heal", allow_reinstall=False)],
    ),
    Scenario("heal forced to reinstall", two("{}"), [run("install"), run("heal", force_reinstall=True)]),
    # --- workflows of authors
    Scenario("author: an operation everywhere", CHAIN, [run("one_operation_each")]),
    Scenario(
        "author: sequences",
        CHAIN,
        [run("sequences")],
        ["a.create < a.configure", "a.start < a.stop", "a.configure < a.stop"],
        side_by_side=True,
    ),
    Scenario(
        "author: order by relationships", CHAIN, [run("by_relationships")], ["a.start < b.start", "b.start < c.start"]
    ),
    Scenario("author: handler ignores", one(FAILS), [run("with_handler", action="ignore")], ["a.create < a.start"]),
    Scenario("author: handler fails", one(FAILS), [run("with_handler", RETRY_3, action="fail")]),
    Scenario(
        "author: handler retries",
        one("{create: {fail_times: 2}}"),
        [run("with_handler", RETRY_3, action="retry", times=9)],
    ),
    Scenario(
        "author: handler retries a non-recoverable",
        one("{create: {fail_times: 1, kind: nonrecoverable}}"),
        [run("with_handler", RETRY_3, action="retry", times=9)],
    ),
    Scenario(
        "author: handler beyond the limit",
        one("{create: {fail_times: 2}}"),
        [run("with_handler", action="retry", times=9, ignore_total_retries=True)],
    ),
    Scenario("author: handler raises", one(FAILS), [run("with_handler", action="raise")]),
    Scenario(
        "author: handler is not asked about a retry",
        one("{create: {fail_times: 1, kind: ctx_retry}}"),
        [run("with_handler", RETRY_3, action="fail")],
    ),
    Scenario(
        "author: success handler retries",
        one(),
        [run("with_handler", RETRY_3, action="retry", times=2, on_success=True)],
    ),
    Scenario("author: subgraph fails", two(FAILS), [run("subgraphs", action="fail")]),
    Scenario("author: subgraph ignored", two(FAILS), [run("subgraphs", action="ignore")]),
    Scenario("author: subgraph retried", one(FAILS), [run("subgraphs", action="retry", total_retries=2)]),
    Scenario(
        "author: subgraph succeeds", two("{}"), [run("subgraphs")], ["a.configure < b.start", "b.configure < a.start"]
    ),
    Scenario(
        "author: nested subgraphs", two("{}"), [run("nested")], ["a.configure < b.create", "b.configure < a.start"]
    ),
    Scenario("author: nested subgraph fails", two(FAILS), [run("nested")]),
    Scenario(
        "author: standard workflow",
        two(FAILS_ONCE),
        [run("standard", RETRY_3)],
        ["a.create < a.start", "a.start < b.create"],
    ),
    Scenario(
        "author: standard workflow without retries", one(FAILS_ONCE), [run("standard", RETRY_3, retry_on_failure=False)]
    ),
    Scenario("author: standard workflow swallows", two(FAILS), [run("standard", swallow=True)]),
    Scenario("author: results nobody fetched", two(FAILS_ONCE), [run("standard", RETRY_3, fetch=False)]),
    Scenario("author: failures nobody fetched", one(FAILS), [run("standard", fetch=False)]),
    Scenario("author: relationship operations", CHAIN, [run("relationship_operations")]),
    Scenario("author: arguments twice", one(), [run("with_kwargs")]),
    Scenario("author: arguments override", one(), [run("with_kwargs", allow=True)]),
    Scenario("author: local tasks", one(), [run("local_tasks")]),
    Scenario("author: local tasks are retried", one(), [run("local_tasks", RETRY_3, fail_times=2)]),
    Scenario(
        "author: a graph is changed and run again", two("{}"), [run("removed_and_executed_again")], side_by_side=True
    ),
]
