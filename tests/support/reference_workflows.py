"""Runs workflows in the reference's local engine and prints what happened as JSON.

A script for the reference's own interpreter, not a module of the tests: it imports `cloudify.workflows.local`.
Arguments: the plugin folder and the file to write. Stdin: a list of ``{"blueprint": path, "inputs": {}, "trace": path,
"runs": [...]}``. Written: for each, the model it started from and, for each run, the error, the event lines and
the instances after it. (Stdout is the engine's own.)
"""

import contextlib
import io
import json
import os
import sys


def plain(value):
    return json.loads(json.dumps(value, default=dict))


def play(request, local):
    os.environ["WORKFLOW_TRACE"] = request["trace"]
    with contextlib.redirect_stdout(io.StringIO()):
        # The agent that a host declares is not installed here, and no scenario calls it.
        agent = ["cloudify_agent.installer.operations", "cloudify_agent.operations"]
        env = local.init_env(request["blueprint"], inputs=request.get("inputs") or {}, ignored_modules=agent)
    answer = {
        "nodes": plain(list(env.storage.get_nodes())),
        "instances": plain(list(env.storage.get_node_instances())),
        "workflows": plain(env.plan["workflows"]),
        "scaling_groups": plain(env.plan.get("scaling_groups") or {}),
        "runs": [],
    }
    for run in request["runs"]:
        printed = io.StringIO()
        error = None
        with contextlib.redirect_stdout(printed):
            try:
                env.execute(
                    run["workflow"],
                    parameters=run.get("parameters"),
                    allow_custom_parameters=True,
                    task_retries=run.get("task_retries", 0),
                    task_retry_interval=run.get("task_retry_interval", 0),
                    subgraph_retries=run.get("subgraph_retries", 0),
                )
            except Exception as raised:  # noqa: BLE001 - whatever ended the workflow is the answer
                error = {"type": type(raised).__name__, "text": str(raised)}
        instances = plain(list(env.storage.get_node_instances()))
        answer["runs"].append({"error": error, "lines": printed.getvalue().splitlines(), "instances": instances})
    return answer


def main():
    sys.path.insert(0, sys.argv[1])
    from cloudify.workflows import local

    answers = [play(request, local) for request in json.load(sys.stdin)]
    with open(sys.argv[2], "w") as written:  # noqa: PTH123
        json.dump(answers, written)


if __name__ == "__main__":
    main()
