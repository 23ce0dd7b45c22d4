"""Imports what every operation and workflow uses; the fork server does it once, before it forks."""

from __future__ import annotations

import importlib

for _name in (
    "cloudify.context",
    "cloudify.dispatch",
    "cloudify.errors_as_data",
    "cloudify.proxy.server",
    "cloudify_rest_client",
    "script_runner.tasks",
):
    importlib.import_module(_name)
