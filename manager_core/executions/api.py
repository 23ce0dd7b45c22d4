"""REST endpoints of executions, operations and tasks graphs (REST contract §8, §15)."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from manager_core.errors import BadParameters
from manager_core.executions import graphs
from manager_core.rest.auth import caller_of, core_of
from manager_core.rest.listing import parse_boolean, parse_list_query
from manager_core.rest.responses import empty_response, json_response

router = APIRouter(tags=["executions"])

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"description": "A field is wrong, or the execution cannot start or change now"},
    403: {"description": "The caller lacks a permission"},
    404: {"description": "There is no such thing for this caller"},
}


class StartBody(BaseModel):
    """What to start. Booleans may come as the texts `true` and `false`."""

    workflow_id: str = Field(examples=["install"])
    deployment_id: str | None = Field(default=None, examples=["shop"])
    parameters: Any = Field(default=None, description="Values of the workflow's parameters")
    allow_custom_parameters: bool | str | None = None
    force: bool | str | None = Field(default=None, description="Do not wait for others of the deployment")
    dry_run: bool | str | None = None
    queue: bool | str | None = Field(default=None, description="Wait in the queue instead of being refused")
    wait_after_fail: Any = Field(default=None, description="Seconds that parallel tasks get after a failure")
    scheduled_time: Any = Field(default=None, description="Start once, at this time (with zone)")
    force_status: Any = None
    id: str | None = None
    error: str | None = None
    is_system_workflow: bool | str | None = None
    created_by: str | None = None
    created_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None


class ActionBody(BaseModel):
    """What to do with an execution."""

    action: str = Field(examples=["cancel", "force-cancel", "kill", "resume", "force-resume"])


class StatusBody(BaseModel):
    """A new status."""

    status: str
    error: str | None = ""


class OperationBody(BaseModel):
    """An operation of a stored graph."""

    name: str | None
    graph_id: str
    dependencies: list[str]
    type: str
    parameters: dict[str, Any]


class OperationChange(BaseModel):
    """A new state of an operation."""

    state: str
    result: Any = None
    exception: Any = None
    exception_causes: Any = None
    manager_name: str | None = None
    agent_name: str | None = None


class StoredInputsBody(BaseModel):
    """Which stored operations get the inputs that their node declares now."""

    action: Literal["update-stored"]
    deployment_id: str
    node_id: str
    operation: str = Field(examples=["cloudify.interfaces.lifecycle.start"])
    key: Literal["operations", "source_operations", "target_operations"] = "operations"
    rel_index: int | None = None


class GraphOperation(BaseModel):
    """An operation of a graph to store."""

    id: str
    name: str | None = None
    type: str
    state: str | None = None
    dependencies: list[str] | None = None
    parameters: dict[str, Any] | None = None


class GraphBody(BaseModel):
    """A graph to store."""

    name: str
    execution_id: str
    operations: list[GraphOperation] | None = None
    created_at: str | None = None
    graph_id: str | None = None


def _include(request: Request) -> list[str] | None:
    return parse_list_query(request.query_params.multi_items()).include


@router.get("/executions", summary="List executions")
def list_executions(request: Request) -> Response:
    """Return a page of executions; system-wide ones only with `_include_system_workflows`."""
    caller = caller_of(request, "execution_list")
    query = parse_list_query(request.query_params.multi_items())
    return json_response(core_of(request).executions.list(caller, query))


@router.post("/executions", summary="Start an execution", status_code=201, responses=_REFUSED)
def start_execution(request: Request, body: StartBody) -> Response:
    """Start a workflow now, queue it, or schedule it for once."""
    caller = caller_of(request, "execution_start")
    return json_response(core_of(request).executions.start(caller, **body.model_dump()), 201)


@router.delete("/executions", summary="Delete ended executions", responses=_REFUSED)
async def delete_executions_entry(request: Request) -> Response:
    """Delete executions that have ended: all but the newest `keep_last`, or those created before `to_datetime`."""
    from starlette.concurrency import run_in_threadpool

    raw = await request.body()
    return await run_in_threadpool(_delete_executions, request, raw)


def _delete_executions(request: Request, raw: bytes) -> Response:
    import orjson

    caller = caller_of(request, "execution_delete")
    try:
        body = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadParameters(f"The request body is not valid json: {error}") from None
    if not isinstance(body, dict):
        raise BadParameters("The request body must be a JSON object")
    query = parse_list_query(request.query_params.multi_items())
    count = core_of(request).executions.delete(
        caller, query, keep_last=body.get("keep_last"), to_datetime=body.get("to_datetime")
    )
    return json_response({"items": [{"count": count}], "metadata": {"pagination": {}}})


@router.get("/executions/{execution_id}", summary="Show an execution", responses=_REFUSED)
def get_execution(request: Request, execution_id: str) -> Response:
    """Return one execution."""
    caller = caller_of(request, "execution_get")
    return json_response(core_of(request).executions.get(caller, execution_id, _include(request)))


@router.post("/executions/{execution_id}", summary="Cancel or resume an execution", responses=_REFUSED)
def act_on_execution(request: Request, execution_id: str, body: ActionBody) -> Response:
    """Cancel, force-cancel, kill, resume or force-resume an execution."""
    caller = caller_of(request, "execution_cancel")
    return json_response(core_of(request).executions.act(caller, execution_id, body.action))


@router.patch("/executions/{execution_id}", summary="Change an execution's status", responses=_REFUSED)
def change_execution(request: Request, execution_id: str, body: StatusBody) -> Response:
    """Set the status, as far as the rules of status changes allow it."""
    caller = caller_of(request, "execution_status_update")
    return json_response(core_of(request).executions.set_status(caller, execution_id, body.status, body.error))


@router.get("/executions/{execution_id}/should-start", summary="Ask whether an execution may start", responses=_REFUSED)
def should_start(request: Request, execution_id: str) -> Response:
    """Tell whether the queue rules would let the execution start now."""
    caller = caller_of(request, "execution_should_start")
    return json_response(core_of(request).executions.should_start(caller, execution_id))


@router.get("/operations", summary="List stored operations", responses=_REFUSED)
def list_operations(request: Request) -> Response:
    """Return the operations of one graph, or of all graphs of one execution."""
    caller = caller_of(request, "operations")
    given = request.query_params
    own = ("graph_id", "execution_id", "state", "skip_internal")
    page = graphs.list_operations(
        core_of(request),
        caller,
        parse_list_query(given.multi_items(), ignore=own),
        graph_id=given.get("graph_id"),
        execution_id=given.get("execution_id"),
        state=given.get("state"),
        skip_internal=parse_boolean("skip_internal", given.get("skip_internal", "false")),
    )
    return json_response(page)


@router.post("/operations", summary="Rewrite the inputs of stored operations", status_code=204, responses=_REFUSED)
def update_stored_operations(request: Request, body: StoredInputsBody) -> Response:
    """Give stored operations that have not succeeded the inputs that their node declares now."""
    caller = caller_of(request, "operations")
    which = graphs.StoredInputs(body.deployment_id, body.node_id, body.operation, body.key, body.rel_index)
    graphs.update_stored(core_of(request), caller, which)
    return empty_response()


@router.get("/operations/{operation_id}", summary="Show a stored operation", responses=_REFUSED)
def get_operation(request: Request, operation_id: str) -> Response:
    """Return one operation."""
    caller = caller_of(request, "operations")
    return json_response(graphs.get_operation(core_of(request), caller, operation_id, _include(request)))


@router.put("/operations/{operation_id}", summary="Store an operation", status_code=201, responses=_REFUSED)
def put_operation(request: Request, operation_id: str, body: OperationBody) -> Response:
    """Add an operation to a stored graph."""
    caller = caller_of(request, "operations")
    return json_response(graphs.create_operation(core_of(request), caller, operation_id, body.model_dump()), 201)


@router.patch("/operations/{operation_id}", summary="Change a stored operation's state", responses=_REFUSED)
def patch_operation(request: Request, operation_id: str, body: OperationChange) -> Response:
    """Set the state of an operation, and what came out of it."""
    caller = caller_of(request, "operations")
    graphs.change_operation(core_of(request), caller, operation_id, body.model_dump())
    return json_response({})


@router.delete("/operations/{operation_id}", summary="Delete a stored operation", status_code=204, responses=_REFUSED)
def delete_operation(request: Request, operation_id: str) -> Response:
    """Remove an operation from its graph."""
    caller = caller_of(request, "operations")
    graphs.delete_operation(core_of(request), caller, operation_id)
    return empty_response()


@router.get("/tasks_graphs", summary="List stored tasks graphs", responses=_REFUSED)
def list_graphs(request: Request) -> Response:
    """Return the graphs of one execution."""
    caller = caller_of(request, "operations")
    given = request.query_params
    execution_id = given.get("execution_id")
    if not execution_id:
        raise BadParameters("Missing required parameter: execution_id")
    query = parse_list_query(given.multi_items(), ignore=("execution_id", "name"))
    return json_response(
        graphs.list_graphs(core_of(request), caller, query, execution_id=execution_id, name=given.get("name"))
    )


@router.post("/tasks_graphs/tasks_graphs", summary="Store a tasks graph", status_code=201, responses=_REFUSED)
def create_graph(request: Request, body: GraphBody) -> Response:
    """Store a graph with its operations."""
    caller = caller_of(request, "operations")
    return json_response(graphs.create_graph(core_of(request), caller, body.model_dump()), 201)


@router.patch("/tasks_graphs/{graph_id}", summary="Touch a stored tasks graph", responses=_REFUSED)
def patch_graph(request: Request, graph_id: str) -> Response:
    """Accept a state for a graph; a graph's state is that of its operations, so nothing is stored."""
    caller = caller_of(request, "operations")
    return json_response(graphs.show_graph(core_of(request), caller, graph_id))
