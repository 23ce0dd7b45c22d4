"""The story that the tests of real hosts tell: seven hosts under load, and what happens to them."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from scheduler.clock import SystemClock
from tests.hosts.cluster import Cluster
from tests.hosts.network import Host, Network
from tests.hosts.proxy import Proxy
from tests.support.archives_made import blueprint_tar
from tests.support.clock import PATIENCE
from tests.support.processes import PASSWORD, Process

LEASE_SECONDS = 6.0
RECURRENCE_SECONDS = 4
START_SECONDS = 1.2
INSTANCES = 3
MOST_OPEN = 8
"""The load starts nothing more while so many executions are open: it must not grow on a machine that is slow."""
USUAL_START_SECONDS = 10.0
"""What it takes to start everybody on a machine that is not busy. Bounds of times grow with how long it takes now."""
API_PORT = 8080
SHARED = {"CLOUDIFY_SECRET_KEY": "a-key-for-all-hosts", "CLOUDIFY_PASSWORD_MEMORY_KIB": "8"}
OPEN = ("pending", "started", "queued", "scheduled", "cancelling", "force_cancelling", "kill_cancelling")

BLUEPRINT = f"""\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml]
plugins:
  load: {{executor: central_deployment_agent, source: load}}
node_templates:
  one:
    type: cloudify.nodes.Root
    capabilities: {{scalable: {{properties: {{default_instances: {INSTANCES}}}}}}}
    interfaces:
      test: {{work: {{implementation: load.load_plugin.work, inputs: {{}}}}}}
workflows:
  work: {{mapping: load.load_plugin.run}}
"""
PLUGIN = '''
import os
import time
from cloudify import ctx as operation_ctx
from cloudify.decorators import operation, workflow


def note(path, *words):
    """Append one line; lines of this length are written whole."""
    with open(path, "a") as stream:
        stream.write(" ".join(str(word) for word in words) + "\\\\n")


@operation(resumable=True)
def work(path, seconds, **kwargs):
    """Note when it begins, that it is at work, and when it ends."""
    me = (operation_ctx.execution_id, operation_ctx.instance.id, os.getpid())
    note(path, "begin", *me, time.time())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        note(path, "pulse", *me, time.time())
    note(path, "end", *me, time.time())


@workflow(resumable=True)
def run(ctx, path, seconds, **kwargs):
    """Run the operation of every instance in a stored graph."""
    from cloudify.workflows.tasks_graph import make_or_get_graph

    @make_or_get_graph
    def build(ctx, name=None):
        graph = ctx.graph_mode()
        for instance in sorted(ctx.node_instances, key=lambda each: each.id):
            graph.add_task(instance.execute_operation("test.work", kwargs={"path": path, "seconds": seconds}))
        return graph

    build(ctx, name="work").execute()
'''.replace("\\\\n", "\\n")


@dataclass
class Recovery:
    """One fault: what was done, and how long it took until what."""

    fault: str
    until: str
    seconds: float
    bound: float
    """What is promised, on a machine on which everybody starts in the usual time."""


@dataclass
class Story:
    """What is left when it is over."""

    log: Path
    database: str
    recoveries: list[Recovery] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    thawed: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    slowness: float = 1.0
    outputs: dict[str, str] = field(default_factory=dict)

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Return rows of the database."""
        return rows(self.database, statement, *values)


def rows(database: str, statement: str, *values: Any) -> list[Any]:
    """Return rows of a database by its SQLAlchemy URL."""
    plain = database.replace("+psycopg", "")
    with psycopg.connect(plain, row_factory=namedtuple_row, connect_timeout=10) as connection:
        return connection.execute(statement, values or None).fetchall()  # type: ignore[arg-type]


class Scene:
    """The hosts, what runs on them, and the load."""

    def __init__(self, network: Network, cluster: Cluster, folder: Path) -> None:
        self.clock = SystemClock()
        self.network, self.cluster = network, cluster
        self.story = Story(folder / "operations", cluster.url)
        self.story.log.touch()
        self.managers = [network.host("m1"), network.host("m2")]
        self.workers = [network.host("w1"), network.host("w2"), network.host("w3")]
        self.proxy = Proxy(network.address, [(host.address, API_PORT) for host in self.managers])
        self.processes: dict[str, list[Process]] = {}
        self.everybody: list[tuple[str, Process]] = []
        self._stop = threading.Event()
        self._client = threading.Thread(target=self._start_many, name="load", daemon=True)

    def common(self) -> dict[str, str]:
        return {
            **SHARED,
            "DATABASE_URL": self.cluster.url,
            "CLOUDIFY_API_URL": self.proxy.url,
            "CLOUDIFY_LEASE_SECONDS": str(LEASE_SECONDS),
            "CLOUDIFY_GRACE_SECONDS": "1",
        }

    # What runs

    def start_manager(self, host: Host) -> None:
        """Start API and scheduler on a host."""
        api = host.start(
            "manager_core", "serve", "--host", host.address, **{**self.common(), "CLOUDIFY_PORT": str(API_PORT)}
        )
        scheduler = host.start("scheduler", "--interval", "1", **self.common())
        self._note_started(host, api, scheduler)

    def start_worker(self, host: Host) -> None:
        """Start a worker on a host."""
        self._note_started(host, host.start("manager_core", "worker", **self.common()))

    def _note_started(self, host: Host, *processes: Process) -> None:
        self.processes[host.name] = list(processes)
        self.everybody += [(host.name, process) for process in processes]

    def output(self) -> str:
        """Return the ends of everybody's output, for a failure's text."""
        parts = [f"--- {name}\n{one.output[-3000:]}" for name, all_ in self.processes.items() for one in all_]
        return "\n".join(parts)

    def call(self, method: str, path: str, body: Any = None, *, seconds: float = 10) -> Any:
        """Call the API through the proxy, as admin; an answer has to come within `seconds`."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        token = b64encode(f"admin:{PASSWORD}".encode()).decode()
        headers = {"Tenant": "default_tenant", "Content-Type": kind, "Authorization": f"Basic {token}"}
        request = urllib.request.Request(f"{self.proxy.url}/api/v3.1{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
            raise  # an OSError like that of a connection: it may be tried again

    def until(self, what: str, condition: Callable[[], Any], seconds: float = PATIENCE) -> float:
        """Wait until a condition holds; a database or API that is away answers no. Returns how long it took."""
        began = self.clock.monotonic()
        while True:
            with contextlib.suppress(OSError, psycopg.Error):
                if condition():
                    return self.clock.monotonic() - began
            taken = self.clock.monotonic() - began
            assert taken < seconds, f"not within {seconds} s: {what}\n{self.output()}"
            self.clock.wait(0.05)

    # The load

    def prepare(self) -> None:
        """Start everybody, upload, deploy, and begin the load."""
        began = self.clock.monotonic()
        for host in self.managers[:1]:
            self.start_manager(host)
        self.until("the first API serves", lambda: self.call("GET", "/status"))
        for host in self.managers[1:]:
            self.start_manager(host)
        for host in self.workers:
            self.start_worker(host)
        archive = blueprint_tar({"blueprint.yaml": BLUEPRINT, "plugins/load/load_plugin.py": PLUGIN})
        self.call("PUT", "/blueprints/load?async_upload=true", archive, seconds=PATIENCE)
        self.until("the blueprint", lambda: self.call("GET", "/blueprints/load")["state"] == "uploaded")
        for name in ("fired", "asked"):
            made = self.call("PUT", f"/deployments/{name}", {"blueprint_id": "load"}, seconds=PATIENCE)
            made = made["create_execution"]
            self.until(name, lambda made=made: self.call("GET", f"/executions/{made}")["status"] == "terminated")
        self.until("the second API serves", lambda: "ready on" in self.processes[self.managers[1].name][0].output)
        self.call(
            "PUT",
            "/execution-schedules/often?deployment_id=fired",
            {
                "workflow_id": "work",
                "parameters": self.parameters(),
                "since": None,
                "recurrence": f"{RECURRENCE_SECONDS} seconds",
                "overlap": "parallel",
                "slip": 5,
                "execution_arguments": {"allow_custom_parameters": True},
            },
            seconds=PATIENCE,
        )
        self._client.start()
        for host in self.workers:
            self.until(f"{host.name} works", lambda host=host: self.held(host))
        self.story.slowness = max(1.0, (self.clock.monotonic() - began) / USUAL_START_SECONDS)

    def parameters(self) -> dict[str, Any]:
        return {"path": str(self.story.log), "seconds": 2.0}

    def _start_many(self) -> None:
        body = {"deployment_id": "asked", "workflow_id": "work", "parameters": self.parameters(), "force": True}
        body["allow_custom_parameters"] = True
        while not self._stop.wait(START_SECONDS):
            if self.open() >= MOST_OPEN:
                continue
            try:
                self.story.acknowledged.append(str(self.call("POST", "/executions", body)["id"]))
            except (OSError, ValueError):
                self.story.refused += 1

    def open(self) -> int:
        """Return how many executions have not ended; none when the database is away."""
        with contextlib.suppress(psycopg.Error):
            return len(rows(self.cluster.url, "SELECT id FROM executions WHERE status = ANY(%s)", list(OPEN)))
        return 0

    def held(self, host: Host) -> dict[str, int]:
        """Return the executions that a host's worker holds, with their attempts."""
        statement = "SELECT id, attempt FROM executions WHERE worker_id LIKE %s AND status = 'started'"
        return {row.id: row.attempt for row in rows(self.cluster.url, statement, f"{host.name}|%")}

    def wait_until_held(self, host: Host) -> dict[str, int]:
        """Return what a host's worker holds, when it holds something."""
        found: dict[str, int] = {}
        self.until(f"{host.name} works", lambda: found.update(self.held(host)) or found)
        return found

    def taken(self, lost: dict[str, int]) -> bool:
        """Tell whether everything that was lost runs elsewhere, or has ended."""
        statement = "SELECT id, attempt, status FROM executions WHERE id = ANY(%s)"
        found = rows(self.cluster.url, statement, list(lost))
        return all(row.status not in OPEN or (row.status == "started" and row.attempt > lost[row.id]) for row in found)

    # The faults

    def kill_worker(self) -> None:
        """kill -9 of everything on a worker's host, which is then started again as a supervisor would."""
        host = self.workers[0]
        lost = self.wait_until_held(host)
        host.signal(signal.SIGKILL)
        seconds = self.until("the lost executions run elsewhere", lambda: self.taken(lost))
        self.note("kill -9 of a worker and its processes", "its executions run on another worker", seconds, 25)
        self.start_worker(host)

    def pause_worker(self) -> None:
        """SIGSTOP of everything on a worker's host for longer than the lease, then SIGCONT."""
        host = self.workers[1]
        lost = self.wait_until_held(host)
        host.signal(signal.SIGSTOP)
        frozen = self.clock.now().timestamp()
        seconds = self.until("the paused executions run elsewhere", lambda: self.taken(lost))
        self.note("pause of a worker's host beyond the lease", "its executions run on another worker", seconds, 25)
        host.signal(signal.SIGCONT)
        self.story.thawed[host.name] = self.clock.now().timestamp() - frozen
        seconds = self.until("the paused worker works again", lambda: self.held(host))
        self.note("its return", "it works again, what it had is let go", seconds, 25)

    def cut_worker(self) -> None:
        """The network of a worker's host is gone for longer than the lease, then back."""
        host = self.workers[2]
        lost = self.wait_until_held(host)
        host.cut()
        seconds = self.until("the cut-off executions run elsewhere", lambda: self.taken(lost))
        self.note("network of a worker's host cut", "its executions run on another worker", seconds, 25)
        host.mend()
        seconds = self.until("the cut-off worker works again", lambda: self.held(host))
        self.note("network back", "the worker works again", seconds, 35)

    def restart_database(self) -> None:
        """PostgreSQL crashes and is started again."""
        began = self.clock.monotonic()
        self.cluster.restart()
        down = self.clock.monotonic() - began
        at = rows(self.cluster.url, "SELECT clock_timestamp() AS now")[0].now
        self.until("the API answers", lambda: self.call("GET", "/status"))
        answers = self.clock.monotonic() - began
        self.note(f"PostgreSQL restarted at once (away {down:.1f} s)", "the API answers", answers, 25)
        statement = "SELECT 1 FROM executions WHERE started_at > %s LIMIT 1"
        self.until("executions start", lambda: rows(self.cluster.url, statement, at))
        self.note("the same", "a worker starts executions", self.clock.monotonic() - began, 25)

    def kill_manager(self) -> None:
        """kill -9 of an API and a scheduler at once: the others go on."""
        host = self.managers[0]
        host.signal(signal.SIGKILL)
        at = self.clock.now()
        self.until("the API answers", lambda: self.call("GET", "/status"))
        self.note("kill -9 of an API", "the API answers", (self.clock.now() - at).total_seconds(), 15)
        statement = "SELECT 1 FROM schedule_records WHERE outcome = 'fired' AND decided_at > %s LIMIT 1"
        self.until("schedules fire", lambda: rows(self.cluster.url, statement, at))
        seconds = (self.clock.now() - at).total_seconds()
        self.note("kill -9 of a scheduler", f"the next occurrence fires (every {RECURRENCE_SECONDS} s)", seconds, 15)
        self.start_manager(host)

    def note(self, fault: str, what: str, seconds: float, bound: float) -> None:
        """Keep a fault's time to recovery."""
        self.story.recoveries.append(Recovery(fault, what, seconds, bound))

    # The end

    def drain(self) -> None:
        """Stop the load and wait until everything has ended."""
        self._stop.set()
        self._client.join(PATIENCE)
        self.call("PATCH", "/execution-schedules/often?deployment_id=fired", {"enabled": False}, seconds=PATIENCE)
        statement = "SELECT id FROM executions WHERE status = ANY(%s)"
        self.until("everything ends", lambda: not rows(self.cluster.url, statement, list(OPEN)))

    def close(self) -> None:
        """Stop the load, the proxy and everything on the hosts."""
        self._stop.set()
        self.proxy.close()
        for host in self.network.hosts:
            host.signal(signal.SIGKILL)
        for _, process in self.everybody:
            process.kill_group()


@contextlib.contextmanager
def told(folder: Path) -> Iterator[Story]:
    """Play the whole story and give what is left of it, the database still there."""
    with contextlib.ExitStack() as stack:
        network = Network(folder)
        stack.callback(network.close)
        cluster = Cluster(network.address, network.network)
        stack.callback(cluster.close)
        scene = Scene(network, cluster, folder)
        stack.callback(network.close)
        stack.callback(scene.close)
        scene.prepare()
        scene.kill_worker()
        scene.pause_worker()
        scene.restart_database()
        scene.cut_worker()
        scene.kill_manager()
        scene.drain()
        scene.story.outputs = {f"{name} {one.pid}": one.output for name, one in scene.everybody}
        yield scene.story
