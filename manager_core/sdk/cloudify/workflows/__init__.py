"""What workflow authors import: the current context and parameters, the cancel flags, tasks and graphs."""

import sys

from cloudify.state import workflow_ctx as ctx
from cloudify.state import workflow_parameters as parameters
from cloudify.workflows import workflow_api

api = workflow_api
sys.modules.setdefault("cloudify.workflows.api", workflow_api)

from cloudify.workflows import events, tasks, tasks_graph, workflow_context  # noqa: E402

__all__ = ["api", "ctx", "events", "parameters", "tasks", "tasks_graph", "workflow_api", "workflow_context"]
