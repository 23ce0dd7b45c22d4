"""Every name that plugins and workflows import (workflow-runtime contract §1.1): module → names."""

from __future__ import annotations

SURFACE = {
    "cloudify": "ctx",
    "cloudify.decorators": "operation workflow serial_operation task",
    "cloudify.workflows": "ctx api parameters",
    "cloudify.workflows.api": (
        "has_cancel_request has_kill_request ExecutionCancelled EXECUTION_CANCELLED_RESULT "
        "set_cancel_request set_kill_request cancel_callbacks kill_callbacks cancel_request kill_request"
    ),
    "cloudify.workflows.workflow_api": "has_cancel_request ExecutionCancelled",
    "cloudify.workflows.tasks": (
        "INFINITE_TOTAL_RETRIES DEFAULT_TOTAL_RETRIES DEFAULT_RETRY_INTERVAL "
        "DEFAULT_SUBGRAPH_TOTAL_RETRIES DEFAULT_SEND_TASK_EVENTS TASK_PENDING TASK_SENDING TASK_SENT "
        "TASK_STARTED TASK_RESCHEDULED TASK_SUCCEEDED TASK_FAILED TERMINATED_STATES WorkflowTask "
        "RemoteWorkflowTask LocalWorkflowTask NOPLocalWorkflowTask DryRunLocalWorkflowTask "
        "SetNodeInstanceStateTask GetNodeInstanceStateTask SendNodeEventTask SendWorkflowEventTask "
        "UpdateExecutionStatusTask HandlerResult WorkflowTaskResult"
    ),
    "cloudify.workflows.tasks_graph": (
        "make_or_get_graph forkjoin TaskDependencyGraph TaskSequence SubgraphTask "
        "TaskDependencyGraphError TaskDependencyGraphErrors"
    ),
    "cloudify.workflows.workflow_context": (
        "CloudifyWorkflowContext CloudifyWorkflowNode CloudifyWorkflowNodeInstance "
        "CloudifyWorkflowRelationship CloudifyWorkflowRelationshipInstance Modification "
        "ModificationNodes WorkflowDeploymentContext task_config DEFAULT_LOCAL_TASK_THREAD_POOL_SIZE"
    ),
    "cloudify.workflows.events": "get_event_type format_event_message send_task_event",
    "cloudify.state": (
        "ctx ctx_parameters workflow_ctx workflow_parameters current_ctx current_workflow_ctx "
        "NotInContext CtxParameters"
    ),
    "cloudify.exceptions": (
        "NonRecoverableError RecoverableError OperationRetry CloudifySerializationRetry HttpException "
        "CommandExecutionException CommandExecutionError TimeoutException PluginInstallationError "
        "ClosedAMQPClientException ProcessKillCancelled StopAgent WorkflowFailed InvalidBlueprintImport"
    ),
    "cloudify.manager": (
        "get_rest_client get_node_instance NodeInstance update_node_instance get_node_instance_ip "
        "update_execution_status get_bootstrap_context get_provider_context get_resource "
        "get_resource_from_manager download_resource download_resource_from_manager DirtyTrackingDict"
    ),
    "cloudify.utils": (
        "exception_to_error_cause LocalCommandRunner CommandExecutionResponse CommandExecutionException "
        "setup_logger get_tenant_name get_tenant get_rest_token get_instances_of_node id_generator uuid4 "
        "create_temp_folder get_exec_tempdir get_func format_exception extract_archive wait_for "
        "keep_trying_http parse_utc_datetime OutputConsumer ManagerVersion internal _get_current_context"
    ),
    "cloudify.context": "CloudifyContext NODE_INSTANCE RELATIONSHIP_INSTANCE DEPLOYMENT BootstrapContext",
    "cloudify.constants": (
        "NODE_INSTANCE RELATIONSHIP_INSTANCE DEPLOYMENT COMPUTE_NODE_TYPE TASK_PENDING TERMINATED_STATES "
        "MGMTWORKER_QUEUE AGENT_INSTALL_METHOD_NONE AGENT_INSTALL_METHOD_REMOTE"
    ),
    "cloudify.models_states": (
        "ExecutionState DeploymentModificationState DeploymentState VisibilityState BlueprintUploadState "
        "SnapshotState AgentState PluginInstallationState"
    ),
    "cloudify.plugins.workflows": (
        "install uninstall reinstall start stop pull restart execute_operation "
        "auto_heal_reinstall_node_subgraph scale_entity check_status check_drift rollback "
        "install_new_agents validate_agents update"
    ),
    "cloudify.plugins.lifecycle": (
        "install_node_instances uninstall_node_instances reinstall_node_instances "
        "rollback_node_instances heal_node_instances update_node_instances "
        "execute_establish_relationships execute_unlink_relationships install_node_instance_subgraph "
        "uninstall_node_instance_subgraph is_host_node LifecycleProcessor"
    ),
    "cloudify.conflict_handlers": "simple_merge_handler",
    "cloudify.dispatch": "dispatch",
    "cloudify.logs": "CloudifyPluginLoggingHandler init_cloudify_logger",
    "cloudify.mocks": (
        "MockCloudifyContext MockContext MockNodeContext MockNodeInstanceContext MockRelationshipContext "
        "MockRelationshipSubjectContext"
    ),
    "cloudify.proxy.client": "CTX_SOCKET_URL RequestError ScriptException client_req",
    "cloudify.proxy.server": "CtxProxy HTTPCtxProxy StubCtxProxy PathDictAccess process_ctx_request get_unused_port",
    "script_runner.tasks": (
        "run execute_workflow process_execution create_process_config eval_script execute "
        "ProcessException ILLEGAL_CTX_OPERATION_ERROR"
    ),
    "cloudify_rest_client": "CloudifyClient",
    "cloudify_rest_client.client": "CloudifyClient HTTPClient",
    "cloudify_rest_client.exceptions": (
        "CloudifyClientError NotModifiedError InvalidExecutionUpdateStatus "
        "DeploymentEnvironmentCreationInProgressError DeploymentEnvironmentCreationPendingError "
        "ForbiddenWhileCancelling IllegalExecutionParametersError MaintenanceModeActiveError "
        "UserUnauthorizedError ERROR_MAPPING"
    ),
    "cloudify_rest_client.executions": "Execution",
    "cloudify_rest_client.node_instances": "NodeInstance",
    "cloudify_rest_client.nodes": "Node",
    "cloudify_rest_client.responses": "ListResponse",
    "cloudify_rest_client.constants": "VisibilityState",
}
