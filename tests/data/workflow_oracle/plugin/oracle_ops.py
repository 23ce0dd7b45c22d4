"""Operations of the oracle scenarios: each notes that it ran and behaves as its inputs say."""

import json
import os
import threading
import time

_lock = threading.Lock()


def _note(**entry):
    line = json.dumps(entry) + "\n"
    with _lock, open(os.environ["WORKFLOW_TRACE"], "a") as trace:  # noqa: PTH123
        trace.write(line)


def _about(ctx):
    if ctx.type == "relationship-instance":
        return f"{ctx.source.instance.id}->{ctx.target.instance.id}"
    if ctx.type == "node-instance":
        return ctx.instance.id
    return "deployment"


def run(ctx, **inputs):
    """The node's property `behave` (of a relationship's source) maps an operation's last name to what it does."""
    from cloudify import exceptions

    operation = ctx.operation.name.rpartition(".")[2]
    who = _about(ctx)
    attempt = ctx.operation.retry_number
    _note(
        at="start",
        who=who,
        op=operation,
        attempt=attempt,
        most=ctx.operation.max_retries,
        side=getattr(ctx.operation, "relationship", None),
        inputs=sorted(inputs),
    )
    node = ctx.source.node if ctx.type == "relationship-instance" else ctx.node
    what = (node.properties.get("behave") or {}).get(operation) or {}
    try:
        if what.get("sleep"):
            time.sleep(what["sleep"])  # noqa: TID251 - an operation that takes its time
        # These write nothing, so that they can run beside other work on their instance without a conflict.
        if ctx.type == "node-instance" and operation not in ("configure", "check_drift"):
            count = ctx.instance.runtime_properties.get("runs", {})
            ctx.instance.runtime_properties["runs"] = {**count, operation: count.get(operation, 0) + 1}
            for key, value in (what.get("set") or {}).items():
                ctx.instance.runtime_properties[key] = value
        if attempt < what.get("fail_times", 0):
            kind = what.get("kind", "plain")
            if kind == "nonrecoverable":
                raise exceptions.NonRecoverableError("no way")
            if kind == "recoverable":
                raise exceptions.RecoverableError("later", retry_after=what.get("retry_after", 0))
            if kind == "raise_retry":
                raise exceptions.OperationRetry("again", retry_after=what.get("retry_after", 0))
            if kind == "ctx_retry":
                ctx.operation.retry("again please", retry_after=what.get("retry_after", 0))
                return None
            raise ValueError("boom")
        return what.get("result")
    finally:
        _note(at="end", who=who, op=operation, attempt=attempt)


def answer_true_later(ctx, **inputs):
    """False twice, then true, as a host that takes its time."""
    run(ctx, **inputs)
    asked = ctx.instance.runtime_properties.get("asked", 0) + 1
    ctx.instance.runtime_properties["asked"] = asked
    return asked % 3 == 0
