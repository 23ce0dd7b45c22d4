"""Runs `cfy` commands, each in a process forked from this one. Run by the reference environment's Python.

A command's own time is mostly imports of libraries; here they are imported once. Nothing of `cloudify_cli` is: every
command imports it in its own process and runs its entry point, so that it finds its profile as a fresh `cfy` would.

A line of standard input is a JSON object `{"arguments": [...], "output": FILE}`, a line of the answer its exit status.
"""

import json
import os
import sys

import click  # noqa: F401
import cloudify_rest_client  # noqa: F401
import dsl_parser.parser  # noqa: F401
import networkx  # noqa: F401
import pkg_resources  # noqa: F401
import requests_toolbelt  # noqa: F401
import yaml  # noqa: F401


def run(arguments, output):
    """Be `cfy`: never returns."""
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.argv = ["cfy", *arguments]
    status = 1
    try:
        from cloudify_cli.main import _cfy

        status = _cfy() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever ends a command is shown as `cfy` shows it
        sys.excepthook(*sys.exc_info())  # the one `cfy` has set: it says what went wrong
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


assert not [name for name in sys.modules if name.startswith("cloudify_cli")]
while True:
    line = sys.stdin.readline()
    if not line:
        break
    wanted = json.loads(line)
    child = os.fork()
    if child == 0:
        run(wanted["arguments"], wanted["output"])
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
    sys.stdout.flush()
