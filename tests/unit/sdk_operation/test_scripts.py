"""Scripts as operations: environment, output, results, exit codes, Python scripts (workflow-runtime contract §5.10)."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.runner_host import MemoryHost

BASH = "#!/bin/bash\n"
Run = Callable[..., Any]


@pytest.fixture
def run(host: MemoryHost, ctx: Any) -> Run:
    """Run a script of the blueprint as an operation."""
    from cloudify.state import current_ctx
    from script_runner import tasks

    def run_script(text: str, name: str = "script.sh", **kwargs: Any) -> Any:
        (host.root / "resources" / name).write_text(text)
        with current_ctx.push(ctx, {**kwargs, "ctx": ctx}):
            return tasks.run(script_path=name, ctx=ctx, **kwargs)

    return run_script


def out(host: MemoryHost, prefix: str = "<out> ") -> list[str]:
    """Return the lines a script wrote."""
    return [text.removeprefix(prefix) for text in host.messages() if text.startswith(prefix)]


def test_inputs_and_process_env_are_environment_variables(run: Run, host: MemoryHost) -> None:
    """Structures and booleans as JSON, the rest as text; the process's own ``env`` wins."""
    script = BASH + 'for n in a b c d e f g; do echo "$n=${!n}"; done\n'
    inputs = {"a": "x y", "b": {"k": 1}, "c": [1], "d": True, "e": None, "f": 1.5, "g": "input"}
    run(script, **inputs, process={"env": {"g": "process"}})
    assert out(host) == ["a=x y", 'b={"k": 1}', "c=[1]", "d=true", "e=None", "f=1.5", "g=process"]


def test_args_cwd_and_prefix_shape_the_command(run: Run, host: MemoryHost, tmp_path: Path) -> None:
    """The three options of ``process``."""
    run(BASH + 'echo "$1|$2"; pwd', process={"args": ["one", "two"], "cwd": str(tmp_path)})
    run("print('from python')", process={"command_prefix": "python3"})
    assert out(host) == ["one|two", str(tmp_path), "from python"]


def test_output_lines_become_logs_around_the_process_lines(run: Run, host: MemoryHost) -> None:
    """`<out>` and `<err>` lines, framed by the creation and the end of the process."""
    run(BASH + "echo one; printf two; sleep 0.05; echo three >&2")
    messages = host.messages()
    assert messages[0].startswith("Process created, PID: ")
    assert sorted(messages[1:-1]) == ["<err> three", "<out> one", "<out> two"]
    assert "return_code=0): " in messages[-1]
    assert messages[-1].startswith("Execution done (PID=")


def test_stderr_can_be_merged_and_logs_switched_off(run: Run, host: MemoryHost) -> None:
    """`stderr_to_stdout`, `log_stdout`, `log_stderr`."""
    run(BASH + "echo o; echo e >&2", process={"stderr_to_stdout": True})
    assert out(host) == ["o", "e"]
    host.records.clear()
    run(BASH + "echo o; echo e >&2", process={"log_stdout": False, "log_stderr": False})
    assert (out(host), out(host, "<err> ")) == ([], [])


def test_the_result_is_what_was_returned(run: Run) -> None:
    """Text as it is, a dict through a JSON argument, nothing without."""
    assert run(BASH + "ctx returns hello") == "hello"
    assert run(BASH + """ctx returns '@{"value": {"a": [1]}}'""") == {"a": [1]}
    assert run(BASH + "true") is None


def test_the_ctx_command_reads_and_writes(run: Run, host: MemoryHost, ctx: Any) -> None:
    """Properties, runtime properties, logger, event, operation."""
    (host.root / "resources" / "t.conf").write_text("n={{ n }} {{ ctx.node.id }}")
    run(
        BASH
        + """set -e
echo "$(ctx node properties size) $(ctx instance id) $(ctx operation retry-number) $(ctx node type)"
ctx instance runtime-properties a.b 5
ctx instance runtime-properties list '@[1, 2]'
echo "$(ctx -j instance runtime-properties)"
ctx logger warning "careful"
ctx send-event "seen"
cat "$(ctx download-resource-and-render t.conf '@{"template_variables": {"n": 1}}')"
"""
    )
    assert out(host) == ["3 vm_1 0 my.Type", '{"a": {"b": "5"}, "list": [1, 2]}', "n=1 vm"]
    assert "careful" in host.messages()
    assert host.messages("cloudify_event") == ["seen"]
    ctx.instance.update()
    assert host.instances["vm_1"]["runtime_properties"] == {"a": {"b": "5"}, "list": [1, 2]}


def test_a_non_zero_exit_is_a_recoverable_failure_with_its_output(run: Run) -> None:
    """The text names command, code, stdout and stderr."""
    from cloudify.exceptions import NonRecoverableError
    from script_runner.tasks import ProcessException

    with pytest.raises(ProcessException) as caught:
        run(BASH + "echo out; echo err >&2; exit 7")
    assert not isinstance(caught.value, NonRecoverableError)
    assert (caught.value.exit_code, caught.value.stdout, caught.value.stderr) == (7, "out\n", "err\n")
    assert ", exit_code: 7, stdout: out\n, stderr: err\n" in str(caught.value)
    assert str(caught.value).startswith("command: ")


def test_a_failure_after_a_return_is_still_a_failure(run: Run) -> None:
    """The exit code counts."""
    from script_runner.tasks import ProcessException

    with pytest.raises(ProcessException):
        run(BASH + "ctx returns v; exit 3")


def test_abort_is_non_recoverable_and_the_exit_code_is_ignored(run: Run, host: MemoryHost) -> None:
    """The command itself prints the message and exits 1."""
    from cloudify.exceptions import NonRecoverableError

    with pytest.raises(NonRecoverableError) as caught:
        run(BASH + "ctx abort-operation 'no disk'; echo rc=$?; exit 5")
    assert str(caught.value) == "no disk"
    assert (out(host), out(host, "<err> ")) == (["rc=1"], ["no disk"])


def test_retry_marks_the_operation(run: Run, ctx: Any) -> None:
    """Message and delay arrive, whatever the exit code."""
    assert run(BASH + "ctx retry-operation later @5 || exit 9") is None
    asked = ctx.operation._operation_retry
    assert (str(asked), asked.retry_after) == ("later [retry_after=5]", 5)


def test_a_second_return_abort_or_retry_is_non_recoverable(run: Run) -> None:
    """In both kinds of script."""
    from cloudify.exceptions import NonRecoverableError

    for text, name in (
        (BASH + "ctx returns a; ctx returns b; true", "s.sh"),
        (BASH + "ctx abort-operation a; ctx returns b; true", "s.sh"),
        ("from cloudify import ctx\nctx.returns(1)\nctx.returns(2)\n", "s.py"),
    ):
        with pytest.raises(NonRecoverableError, match="ctx may only abort or return once"):
            run(text, name)


def test_python_scripts_are_evaluated_here_as_main(run: Run) -> None:
    """They see the context, the parameters, and themselves as the main program."""
    text = (
        "from cloudify import ctx\nfrom cloudify.state import ctx_parameters as p\n"
        "import os\nctx.returns([p.a, p['a'], __name__, os.path.basename(__file__), os.getpid(), ctx.instance.id])\n"
    )
    import os

    assert run(text, "s.py", a=5) == [5, 5, "__main__", "s.py", os.getpid(), "vm_1"]


def test_python_scripts_abort_retry_and_fail(run: Run, ctx: Any) -> None:
    """As methods of the context; other exceptions are the operation's."""
    from cloudify.exceptions import NonRecoverableError

    head = "from cloudify import ctx\n"
    with pytest.raises(NonRecoverableError, match=r"^m$"):
        run(head + "ctx.abort_operation('m')\n", "s.py")
    run(head + "ctx.retry_operation('m', retry_after=3)\n", "s.py")
    assert ctx.operation._operation_retry.retry_after == 3
    with pytest.raises(KeyError):
        run("raise KeyError('k')", "s.py")
    with pytest.raises(SystemExit):
        run("import sys; sys.exit(4)", "s.py")


def test_eval_python_decides_over_the_suffix(run: Run, host: MemoryHost) -> None:
    """False runs a Python file as a program, True evaluates any file."""
    assert run("#!/usr/bin/env python3\nprint('program')\n", "s.py", process={"eval_python": False}) is None
    assert out(host) == ["program"]
    assert run("from cloudify import ctx\nctx.returns(1)\n", "noext", process={"eval_python": True}) == 1


def test_inline_scripts_are_python_if_they_parse_as_python(ctx: Any, host: MemoryHost) -> None:
    """Else shell."""
    from cloudify.state import current_ctx
    from script_runner import tasks

    with current_ctx.push(ctx, {}):
        assert tasks.run(script_source="from cloudify import ctx\nctx.returns('py')", ctx=ctx) == "py"
        assert tasks.run(script_source="ctx returns sh", ctx=ctx) == "sh"


def test_exactly_one_of_path_and_source(ctx: Any) -> None:
    """Both and none are refused with the contract's texts."""
    from cloudify.exceptions import NonRecoverableError
    from script_runner import tasks

    with pytest.raises(NonRecoverableError, match=r"^Either script_path or script_source must be provided$"):
        tasks.run(ctx=ctx)
    with pytest.raises(NonRecoverableError, match=r"^Only provide script_path or script_source, not both$"):
        tasks.run(ctx=ctx, script_path="a", script_source="b")


def test_a_script_without_the_ctx_server_gets_an_empty_address(run: Run, host: MemoryHost) -> None:
    """``ctx_proxy_type: none``; an unknown type is refused."""
    from cloudify.exceptions import NonRecoverableError

    run(BASH + 'echo "[$CTX_SOCKET_URL]"', process={"ctx_proxy_type": "none"})
    assert out(host) == ["[]"]
    with pytest.raises(NonRecoverableError):
        run(BASH, process={"ctx_proxy_type": "carrier-pigeon"})


def test_output_without_line_ends_and_beyond_utf8_is_logged(run: Run, host: MemoryHost) -> None:
    """In pieces, undecodable bytes replaced."""
    run(BASH + "head -c 200000 /dev/zero | tr '\\0' x; printf '\\xff\\n'")
    assert sum(map(len, out(host))) == 200001
    assert max(map(len, out(host))) <= 64 * 1024
    assert out(host)[-1].endswith("\ufffd")


def test_a_program_left_in_the_background_does_not_hold_up_the_operation(run: Run, host: MemoryHost) -> None:
    """The script's own end counts, though its output is still open."""
    run(BASH + "sleep 600 & echo started $!")
    (line,) = out(host)
    pid = int(line.split()[1])
    import os
    import signal

    os.kill(pid, signal.SIGTERM)  # it was still there


def test_a_missing_interpreter_or_directory_is_an_error_of_the_operation(run: Run, tmp_path: Path) -> None:
    """Neither is silent."""
    from script_runner.tasks import ProcessException

    with pytest.raises(ProcessException):
        run("#!/no/such/interpreter\n")
    with pytest.raises(FileNotFoundError):
        run(BASH, process={"cwd": str(tmp_path / "nowhere")})


def test_no_copy_of_a_script_is_left_behind(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs every minute for years must not fill the disk; what still runs keeps its file."""
    import os
    import signal

    monkeypatch.setenv("CFY_EXEC_TEMP", str(tmp_path / "exec"))
    (tmp_path / "exec").mkdir()
    run(BASH + "true")
    run("pass", "s.py")
    for text in ("exit 3", "ctx abort-operation x"):
        with pytest.raises(Exception, match=r"exit_code: 3|x"):
            run(BASH + text)
    assert list((tmp_path / "exec").iterdir()) == []
    pid = run(BASH + "sleep 600 & ctx returns $!")
    assert len(list((tmp_path / "exec").iterdir())) == 1
    os.kill(int(pid), signal.SIGTERM)


def test_a_file_of_the_author_is_never_removed(tmp_path: Path) -> None:
    """Neither one behind a ``file://`` URL nor one that another kind of context gives."""
    from cloudify.mocks import MockCloudifyContext
    from cloudify.state import current_ctx
    from script_runner import tasks

    (tmp_path / "mine.sh").write_text(BASH + "true")
    ctx = MockCloudifyContext(node_id="n", resources={"mine.sh": str(tmp_path / "mine.sh")})
    with current_ctx.push(ctx):
        tasks.run(script_path="mine.sh", ctx=ctx)
        tasks.run(script_path=f"file://{tmp_path}/mine.sh", ctx=ctx)
    assert (tmp_path / "mine.sh").is_file()


def test_a_python_scripts_traceback_shows_its_lines(run: Run) -> None:
    """Although the file is gone by then."""
    from cloudify import errors_as_data

    with pytest.raises(ValueError, match="boom") as caught:
        run("def f():\n    raise ValueError('boom')\nf()\n", "s.py")
    assert "raise ValueError('boom')" in errors_as_data.traceback_of(caught.value)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server that knows one script."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/s.sh?x=1"
            self.send_response(200 if known else 404)
            self.end_headers()
            if known:
                self.wfile.write(b"#!/bin/sh\nctx returns web\n")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_scripts_come_from_urls_and_files(ctx: Any, web: str, tmp_path: Path) -> None:
    """http and file URLs; what the server refuses is non-recoverable."""
    from cloudify.exceptions import NonRecoverableError
    from script_runner import tasks

    (tmp_path / "f.sh").write_text("#!/bin/sh\nctx returns file\n")
    assert tasks.run(ctx=ctx, script_path=f"{web}/s.sh?x=1") == "web"
    assert tasks.run(ctx=ctx, script_path=f"file://{tmp_path}/f.sh") == "file"
    with pytest.raises(NonRecoverableError, match="Failed downloading script: "):
        tasks.run(ctx=ctx, script_path=f"{web}/other.sh")


def test_script_workflows_are_evaluated_with_the_workflow_context(tmp_path: Path) -> None:
    """`cloudify.workflows.ctx` and `parameters` are current in them."""
    from cloudify.state import current_workflow_ctx
    from script_runner import tasks

    class WorkflowContext:
        workflow_id = "w"

        def download_resource(self, path: str) -> str:
            return str(tmp_path / path)

    (tmp_path / "w.py").write_text(
        "from cloudify.workflows import ctx, parameters as p\nctx.seen = (ctx.workflow_id, p.a)\n"
    )
    workflow_ctx = WorkflowContext()
    with current_workflow_ctx.push(workflow_ctx, {"a": 1}):
        tasks.execute_workflow(script_path="w.py", ctx=workflow_ctx, a=1)
    assert workflow_ctx.seen == ("w", 1)  # type: ignore[attr-defined]
