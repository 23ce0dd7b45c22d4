"""CPU of listing executions through the API, beside the usual FastAPI + SQLModel endpoint over the same rows.

    python benchmarks/rest_list.py [--rows 100000] [--requests 300] [--rounds 3]

Both are served by uvicorn processes of their own over one SQLite file, asked in turn by one client over one connection.
`usual_ms` selects ORM objects and answers through a response model, with neither authentication nor a total; `ours_ms`
is `GET /executions?_size=100` with Basic authentication, paging and the total. Figures are CPU milliseconds of the
serving process a request, medians of the rounds; `one_ms` is one execution, `pages_ms` the wall clock of a page of 100
at three offsets. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PASSWORD = "bench-password"
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode(),
    "Tenant": "default_tenant",
    "Content-type": "application/json",
}
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_core(data_dir: Path) -> Any:
    """Build a Core over the benchmark's database."""
    from manager_core.bootstrap import build
    from manager_core.settings import Settings

    return build(Settings(data_dir=data_dir, admin_password=PASSWORD))


def fill(data_dir: Path, rows: int) -> None:
    """Store ten deployments and `rows` executions."""
    from sqlalchemy import insert

    from manager_core.deployments.tables import Deployment
    from manager_core.executions.tables import Execution

    core = make_core(data_dir)
    common = {"tenant_name": "default_tenant", "created_by": "admin", "visibility": "tenant"}
    with core.store.write() as session:
        for number in range(10):
            session.add(Deployment(id=f"d{number}", display_name=f"d{number}", created_at=START, **common))
        session.flush()
        for begin in range(0, rows, 5000):
            session.connection().execute(
                insert(Execution),
                [
                    {
                        "id": f"00000000-0000-0000-0000-{number:012d}", "workflow_id": "install",
                        "deployment_id": f"d{number % 10}", "blueprint_id": "b", "status": "terminated",
                        "parameters": {"a": 1, "b": "x" * 40}, "is_system_workflow": False, "is_dry_run": False,
                        "created_at": START + timedelta(seconds=number), "started_at": START, "ended_at": START,
                        "total_operations": 10, "finished_operations": 10, "resume": False,
                        "allow_custom_parameters": False, "force": False, "wait_after_fail": 600,
                        "allow_overlap": False, "attempt": 1, **common,
                    }
                    for number in range(begin, min(rows, begin + 5000))
                ],
            )  # fmt: skip
    with core.store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    core.close()


def ours(data_dir: Path) -> Any:
    """Return our application."""
    from manager_core.rest.app import create_app

    return create_app(make_core(data_dir))


def usual(data_dir: Path) -> Any:
    """Return the usual endpoint: a session a request, ORM objects, a response model."""
    from fastapi import Depends, FastAPI
    from sqlmodel import Session, SQLModel, create_engine, select

    from manager_core.executions.tables import Execution

    class ExecutionOut(SQLModel):
        id: str
        workflow_id: str
        status: str
        error: str | None
        parameters: dict[str, Any] | None
        is_system_workflow: bool
        is_dry_run: bool
        created_at: datetime
        started_at: datetime | None
        ended_at: datetime | None
        scheduled_for: datetime | None
        deployment_id: str | None
        blueprint_id: str | None
        total_operations: int
        finished_operations: int
        resume: bool
        allow_custom_parameters: bool
        created_by: str
        tenant_name: str
        visibility: str

    engine = create_engine(f"sqlite:///{data_dir / 'manager.db'}", connect_args={"check_same_thread": False})
    app = FastAPI()

    def session() -> Any:
        with Session(engine) as opened:
            yield opened

    @app.get("/executions", response_model=list[ExecutionOut])
    def list_executions(opened: Session = Depends(session)) -> Any:
        return opened.exec(select(Execution).order_by(Execution.created_at, Execution.storage_id).limit(100)).all()

    return app


class Server:
    """One of the two applications in a process of its own."""

    def __init__(self, which: str, data_dir: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", which, "--data", str(data_dir), "--port", str(self.port)]
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{which} does not start") from None
                time.sleep(0.05)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def cpu(self) -> float:
        """Return the seconds of CPU the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> bytes:
        """Return the body of a page."""
        self.connection.request("GET", path, headers=HEADERS)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body!r}")
        return body

    def cpu_ms(self, path: str, requests: int) -> float:
        """Return CPU milliseconds a request."""
        self.connection.close()
        self.get(path)
        before = self.cpu()
        for _ in range(requests):
            self.get(path)
        return (self.cpu() - before) / requests * 1000

    def wall_ms(self, path: str) -> float:
        """Return the median wall clock of five requests, in milliseconds."""
        found = []
        self.connection.close()
        self.get(path)
        for _ in range(5):
            began = time.perf_counter()
            self.get(path)
            found.append((time.perf_counter() - began) * 1000)
        return statistics.median(found)

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait()


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=["ours", "usual"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.serve:
        import uvicorn

        app = (ours if given.serve == "ours" else usual)(given.data)
        uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        fill(data_dir, given.rows)
        peers = {which: Server(which, data_dir) for which in ("ours", "usual")}
        middle = f"00000000-0000-0000-0000-{given.rows // 2:012d}"
        page = "/api/v3.1/executions?_size=100"
        asked = {
            "ours_ms": ("ours", page),
            "usual_ms": ("usual", "/executions"),
            "one_ms": ("ours", f"/api/v3.1/executions/{middle}"),
            "version_ms": ("ours", "/api/v3.1/version"),
        }
        found: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(given.rounds):
            for name, (which, path) in asked.items():
                found[name].append(peers[which].cpu_ms(path, given.requests))
        figures: dict[str, Any] = {name: round(statistics.median(values), 3) for name, values in found.items()}
        pages = {
            offset: round(peers["ours"].wall_ms(f"{page}&_offset={offset}"), 2)
            for offset in (0, given.rows // 2, max(0, given.rows - 100))
        }
        items = len(json.loads(peers["ours"].get(page))["items"])
        for peer in peers.values():
            peer.stop()
    figures |= {"pages_ms": pages, "rows": given.rows, "items": items}
    figures["ratio"] = round(figures["ours_ms"] / figures["usual_ms"], 3)
    print(json.dumps({"benchmark": "rest_list", **figures}))


if __name__ == "__main__":
    main()
