"""Runs commands of the product, each in a process forked from this one.

A short command's own time is mostly imports; here they are done once. A line of standard input is a JSON object, a line
of the answer too: `{"start": [MODULE, ARGUMENT...], "environment": {}, "folder": DIR, "out": FILE, "err": FILE}` is
answered by the pid, `{"wait": PID}` by the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import runpy
import sys
from typing import Any

WARM = (
    "manager_core.moving.command", "manager_core.rest.app", "manager_core.runtime.worker", "manager_core.service",
    "scheduler.loop", "scheduler.simulate", "sdnotify",
)  # fmt: skip


def be(wanted: dict[str, Any]) -> None:
    """Become the command: its environment, folder and output; then run its module as `python -m` does."""
    os.setsid()
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    random.seed()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(wanted[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    module, *arguments = wanted["start"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Serve until standard input ends; children are waited for when asked for."""
    for name in WARM:
        importlib.import_module(name)
    while line := sys.stdin.readline():
        wanted = json.loads(line)
        if "wait" in wanted:
            _, status = os.waitpid(wanted["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                be(wanted)
                return
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
