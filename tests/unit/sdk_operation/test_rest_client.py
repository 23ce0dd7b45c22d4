"""The REST client of plugins against a recording server: addresses, headers, bodies, lists, errors."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


class Recorder:
    """A server that answers from a list and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Any]] = []
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                recorder.requests.append(
                    {
                        "method": self.command,
                        "path": parts.path,
                        "query": parse_qs(parts.query),
                        "headers": dict(self.headers),
                        "body": json.loads(body) if body[:1] in (b"{", b"[") else body,
                    }
                )
                status, answer = recorder.answers.pop(0) if recorder.answers else (200, {})
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def last(self) -> dict[str, Any]:
        """The last request."""
        return self.requests[-1]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recording server."""
    recorder = Recorder()
    yield recorder
    recorder.server.shutdown()
    recorder.server.server_close()


@pytest.fixture
def client(recorder: Recorder) -> Any:
    """A client of it."""
    from cloudify_rest_client import CloudifyClient

    return CloudifyClient(host="127.0.0.1", port=recorder.port, tenant="t", token="tok")


def test_an_operation_acts_as_its_execution(recorder: Recorder, ctx: Any) -> None:
    """`get_rest_client` needs no credentials: execution token, tenant, maintenance header."""
    from cloudify.manager import get_rest_client
    from cloudify.state import current_ctx

    ctx._context.update(
        rest_host="127.0.0.1", rest_port=recorder.port, execution_token="secret", bypass_maintenance=True
    )
    with current_ctx.push(ctx):
        get_rest_client().deployments.get("d")
        get_rest_client(tenant="other", api_token="mine").deployments.get("d")
    first, second = (request["headers"] for request in recorder.requests)
    assert (first["Execution-Token"], first["Tenant"]) == ("secret", "default_tenant")
    assert first["X-BYPASS-MAINTENANCE"] == "True"
    assert "Authentication-Token" not in first
    assert (second["Authentication-Token"], second["Tenant"]) == ("mine", "other")
    assert "Execution-Token" not in second


def test_a_workflow_acts_as_its_execution_too(recorder: Recorder) -> None:
    """The token comes from the workflow's context."""
    from cloudify.manager import get_rest_client
    from cloudify.state import current_workflow_ctx

    class Workflow:
        rest_host = "127.0.0.1"
        rest_port = recorder.port
        execution_token = "w-secret"
        tenant_name = "t"
        bypass_maintenance = False

    with current_workflow_ctx.push(Workflow()):
        get_rest_client().executions.list(deployment_id="d")
    assert recorder.last["headers"]["Execution-Token"] == "w-secret"
    assert recorder.last["path"] == "/api/v3.1/executions"


def test_credentials_are_basic_and_the_content_type_is_always_sent(recorder: Recorder) -> None:
    """User and password."""
    from cloudify_rest_client import CloudifyClient

    CloudifyClient(host="127.0.0.1", port=recorder.port, username="u", password="p").manager.get_version()
    assert recorder.last["headers"]["Authorization"] == "Basic dTpw"
    assert recorder.last["headers"]["Content-type"] == "application/json"
    assert recorder.last["path"] == "/api/version"


def test_lists_page_filter_and_sort(recorder: Recorder, client: Any) -> None:
    """The conventions of lists; records have their keys as attributes."""
    page = {"pagination": {"total": 3, "size": 1000, "offset": 0}}
    recorder.answers = [
        (200, {"items": [{"id": "a"}, {"id": "b"}], "metadata": page}),
        (200, {"items": [{"id": "c"}], "metadata": page}),
    ]
    found = client.node_instances.list(
        deployment_id="d", _include=["id", "state"], sort="id", is_descending=True, _get_all_results=True
    )
    assert [instance.id for instance in found] == ["a", "b", "c"]
    assert (len(found), found.total, found[0]["id"], found[0].nothing) == (3, 3, "a", None)
    query = recorder.requests[0]["query"]
    assert (query["_include"], query["_sort"], query["deployment_id"]) == (["id,state"], ["-id"], ["d"])
    assert recorder.requests[1]["query"]["_offset"] == ["2"]


def test_filter_rules_are_a_search(recorder: Recorder, client: Any) -> None:
    """By POST, with the rules in the body."""
    recorder.answers = [(200, {"items": [], "metadata": {}})]
    client.deployments.list(filter_rules=[{"key": "k"}])
    assert (recorder.last["method"], recorder.last["path"]) == ("POST", "/api/v3.1/searches/deployments")
    assert recorder.last["body"] == {"filter_rules": [{"key": "k"}]}


REQUESTS: dict[str, tuple[Any, str, str, Any]] = {
    "start": (
        lambda c: c.executions.start("d", "install", parameters={"a": 1}, force=True),
        "POST",
        "executions",
        {"deployment_id": "d", "workflow_id": "install", "parameters": {"a": 1}, "force": "true", "dry_run": "false",
         "queue": "false", "allow_custom_parameters": "false", "wait_after_fail": 600},
    ),
    "cancel": (lambda c: c.executions.cancel("e", kill=True), "POST", "executions/e", {"action": "kill"}),
    "resume": (lambda c: c.executions.resume("e", force=True), "POST", "executions/e", {"action": "force-resume"}),
    "update instance": (
        lambda c: c.node_instances.update("i", state="started", runtime_properties={"a": 1}, version=4),
        "PATCH",
        "node-instances/i",
        {"state": "started", "runtime_properties": {"a": 1}, "version": 4},
    ),
    "secret": (
        lambda c: c.secrets.create("k", "v"),
        "PUT",
        "secrets/k",
        {"value": "v", "visibility": "tenant", "update_if_exists": False, "is_hidden_value": False},
    ),
    "labels": (lambda c: c.deployments.update_labels("d", [{"a": "b"}]), "PATCH", "deployments/d",
               {"labels": [{"a": "b"}]}),
    "modification": (
        lambda c: c.deployment_modifications.start("d", {"vm": {"instances": 2}}),
        "POST",
        "deployment-modifications",
        {"deployment_id": "d", "nodes": {"vm": {"instances": 2}}},
    ),
    "functions": (
        lambda c: c.evaluate.functions("d", {"self": "vm"}, {"x": 1}),
        "POST",
        "evaluate/functions",
        {"deployment_id": "d", "context": {"self": "vm"}, "payload": {"x": 1}},
    ),
    "plugin removal": (lambda c: c.plugins.delete("p", force=True), "DELETE", "plugins/p", {"force": True}),
    "schedule": (
        lambda c: c.execution_schedules.create("s", "d", "w", recurrence="1 min"),
        "PUT",
        "execution-schedules/s",
        {"workflow_id": "w", "recurrence": "1 min"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_contracts_method_path_and_body(recorder: Recorder, client: Any, name: str) -> None:
    """What the API expects."""
    call, method, path, body = REQUESTS[name]
    call(client)
    assert (recorder.last["method"], recorder.last["path"]) == (method, f"/api/v3.1/{path}")
    assert recorder.last["body"] == body


def test_nodes_are_asked_for_by_filter(recorder: Recorder, client: Any) -> None:
    """One node is item 0 of a list; none is a 404."""
    from cloudify_rest_client.exceptions import CloudifyClientError

    recorder.answers = [(200, {"items": [{"id": "vm"}]}), (200, {"items": []})]
    assert client.nodes.get("d", "vm", evaluate_functions=True).id == "vm"
    assert recorder.last["query"]["_evaluate_functions"] == ["True"]
    with pytest.raises(CloudifyClientError) as caught:
        client.nodes.get("d", "no")
    assert caught.value.status_code == 404


def test_an_error_has_status_code_message_and_class(recorder: Recorder, client: Any) -> None:
    """By its code; text that is no JSON is shown; an empty answer is nothing."""
    from cloudify_rest_client import exceptions

    recorder.answers = [
        (403, {"message": "no", "error_code": "forbidden_while_cancelling", "server_traceback": None}),
        (404, {"message": "Requested `X` was not found", "error_code": "not_found_error"}),
        (502, b"<html>bad gateway</html>"),
        (304, b""),
        (204, b""),
    ]
    with pytest.raises(exceptions.ForbiddenWhileCancelling, match="403: no"):
        client.executions.start("d", "w")
    with pytest.raises(exceptions.CloudifyClientError) as caught:
        client.deployments.get("x")
    assert (caught.value.status_code, caught.value.error_code) == (404, "not_found_error")
    with pytest.raises(exceptions.CloudifyClientError, match="bad gateway"):
        client.deployments.get("x")
    with pytest.raises(exceptions.NotModifiedError):
        client.maintenance_mode.activate()
    assert client.deployments.delete("x") is None


def test_an_unreachable_manager_is_a_connection_error() -> None:
    """Not one of the API's."""
    from cloudify_rest_client import CloudifyClient

    with pytest.raises(ConnectionError):
        CloudifyClient(host="127.0.0.1", port=1).deployments.list()


def test_a_file_is_downloaded_in_pieces(recorder: Recorder, client: Any, tmp_path: Any) -> None:
    """To the path that was asked for."""
    recorder.answers = [(200, b"x" * 100_000)]
    target = str(tmp_path / "b.tar.gz")
    assert client.blueprints.download("bp", target) == target
    assert (tmp_path / "b.tar.gz").stat().st_size == 100_000


def test_the_api_is_the_transport_where_the_runtime_gave_none(recorder: Recorder, ctx: Any) -> None:
    """Node instances, events; what only the runtime can do is refused."""
    from cloudify.endpoint import Endpoint
    from cloudify.exceptions import NonRecoverableError
    from cloudify.rest_transport import RestTransport
    from cloudify.state import current_ctx

    ctx._context.update(rest_host="127.0.0.1", rest_port=recorder.port, execution_token="s")
    with current_ctx.push(ctx):
        endpoint = Endpoint(RestTransport())
        recorder.answers = [(200, {"id": "vm_1", "version": 2})]
        assert endpoint.call("get_node_instance", node_instance_id="vm_1")["version"] == 2
        endpoint.notice("emit", record={"type": "cloudify_log", "message": "m"})
        assert recorder.last["body"]["logs"][0]["message"] == "m"
        with pytest.raises(NonRecoverableError):
            endpoint.call("get_resource", path="x")
