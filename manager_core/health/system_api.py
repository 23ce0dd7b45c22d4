"""REST endpoints that tell a client which manager it talks to (REST contract §2.1, §2.2, §2.5)."""

from __future__ import annotations

import platform
import socket
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import fixed_page, parse_boolean
from manager_core.rest.responses import json_response

router = APIRouter(tags=["system"])
unversioned = APIRouter(tags=["system"])

VERSION = "7.0.5"
"""The version whose API this is; clients decide by it."""

EDITION = "community"
_DISPLAY = {"scheduler": "Execution Scheduler", "worker": "Workflow Runner"}


def _release() -> tuple[str, str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system(), platform.release()
    return release.get("ID", platform.system()), release.get("VERSION_CODENAME") or release.get("VERSION_ID", "")


def _address(request: Request) -> str:
    """Return the one address under which manager, broker and database are listed.

    They must agree, or `cfy` takes us for a cluster.
    """
    return urlsplit(core_of(request).settings.base_url).hostname or "127.0.0.1"


@router.get("/status", summary="Show the status of the manager's services")
def get_status(request: Request, summary: str = "false") -> Response:
    """Answer `OK` or `Fail`, and with the services each on its own."""
    caller_of(request, "status_get")
    brief = parse_boolean("summary", summary)
    report = core_of(request).health.report()
    status = "OK" if report.is_well else "Fail"
    if brief:
        return json_response({"status": status})
    services = {"Manager REST Service": _service(True), "Database": _service(report.database)}
    services.update({_DISPLAY[name]: _service(health.is_well) for name, health in report.services.items()})
    return json_response({"status": status, "services": services})


def _service(active: bool) -> dict[str, Any]:
    return {"status": "Active" if active else "Inactive", "is_remote": False, "extra_info": {}}


@router.get("/cluster-status", summary="Show the status of the cluster, which is one manager")
def get_cluster_status(request: Request) -> Response:
    """Answer the same shape as `/status`."""
    caller_of(request, "status_get")
    report = core_of(request).health.report()
    return json_response({"status": "OK" if report.is_well else "Fail", "services": {}})


@router.get("/ok", summary="Tell whether the API can work")
def get_ok(request: Request) -> Response:
    """Answer "OK" or, with 500, "FAIL". Needs no credentials."""
    healthy = core_of(request).health.report().database
    return json_response("OK" if healthy else "FAIL", 200 if healthy else 500)


@unversioned.get("/version", summary="Show the version of the manager")
@router.get("/version", summary="Show the version of the manager")
def get_version(request: Request) -> Response:
    """Answer the version whose API this is."""
    caller_of(request, "version_get")
    distribution, release = _release()
    return json_response(
        {
            "version": VERSION,
            "edition": EDITION,
            "build": None,
            "date": None,
            "commit": None,
            "distribution": distribution,
            "distro_release": release,
        }
    )


@router.get("/managers", summary="List the managers: one")
def list_managers(request: Request) -> Response:
    """Answer exactly one row."""
    caller_of(request, "manager_get")
    address = _address(request)
    distribution, release = _release()
    row = {
        "id": 0,
        "hostname": socket.gethostname(),
        "private_ip": address,
        "public_ip": address,
        "version": VERSION,
        "edition": EDITION,
        "distribution": distribution,
        "distro_release": release,
        "fs_sync_node_id": None,
        "networks": {"default": address},
        "ca_cert_content": None,
        "last_seen": core_of(request).clock.now(),
    }
    return json_response(fixed_page([row]))


@router.get("/brokers", summary="List the message brokers: one, and it is the manager itself")
def list_brokers(request: Request) -> Response:
    """Answer exactly one row, whose host is the manager's."""
    caller_of(request, "broker_get")
    address = _address(request)
    row = {
        "id": 0,
        "name": "manager",
        "host": address,
        "management_host": address,
        "port": None,
        "username": None,
        "password": None,
        "params": {},
        "networks": {"default": address},
        "is_external": False,
        "ca_cert_content": None,
    }
    return json_response(fixed_page([row]))


@router.get("/db-nodes", summary="List the database nodes: one")
def list_db_nodes(request: Request) -> Response:
    """Answer exactly one row, whose host is the manager's."""
    caller_of(request, "db_nodes_get")
    return json_response(fixed_page([{"name": "database", "host": _address(request), "is_external": False}]))
