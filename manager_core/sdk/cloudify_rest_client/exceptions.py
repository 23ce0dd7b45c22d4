"""Errors of the REST client: one root, and a class for each code that a caller may want to catch (REST contract
§1.10)."""

from __future__ import annotations

from typing import Any


class CloudifyClientError(Exception):
    """The manager refused a request.

    Args:
        message: its sentence.
        server_traceback: where in the server it happened; usually None.
        status_code: HTTP status.
        error_code: the stable code.
        response: the raw answer.
    """

    def __init__(
        self,
        message: str,
        server_traceback: str | None = None,
        status_code: int = -1,
        error_code: str | None = None,
        response: Any = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_code = error_code
        self.server_traceback = server_traceback
        self.response = response
        self.message = message

    def __str__(self) -> str:
        if self.status_code != -1:
            return f"{self.status_code}: {self.message}"
        return self.message


class DeploymentEnvironmentCreationInProgressError(CloudifyClientError):
    """The environment of the deployment is being made."""

    ERROR_CODE = "deployment_environment_creation_in_progress_error"


class DeploymentEnvironmentCreationPendingError(CloudifyClientError):
    """The environment of the deployment is going to be made."""

    ERROR_CODE = "deployment_environment_creation_pending_error"


class IllegalExecutionParametersError(CloudifyClientError):
    """The workflow does not take these parameters."""

    ERROR_CODE = "illegal_execution_parameters_error"


class NoSuchIncludeFieldError(CloudifyClientError):
    """A field that does not exist was asked for."""

    ERROR_CODE = "no_such_include_field_error"


class MissingRequiredDeploymentInputError(CloudifyClientError):
    """An input of the deployment is missing."""

    ERROR_CODE = "missing_required_deployment_input_error"


class UnknownDeploymentInputError(CloudifyClientError):
    """The blueprint has no such input."""

    ERROR_CODE = "unknown_deployment_input_error"


class UnknownDeploymentSecretError(CloudifyClientError):
    """A secret of the deployment is missing."""

    ERROR_CODE = "unknown_deployment_secret_error"


class UnsupportedDeploymentGetSecretError(CloudifyClientError):
    """The deployment uses a secret where it cannot."""

    ERROR_CODE = "unsupported_deployment_get_secret_error"


class FunctionsEvaluationError(CloudifyClientError):
    """An intrinsic function could not be evaluated."""

    ERROR_CODE = "functions_evaluation_error"


class UnknownModificationStageError(CloudifyClientError):
    """A deployment modification has no such stage."""

    ERROR_CODE = "unknown_modification_stage_error"


class ExistingStartedDeploymentModificationError(CloudifyClientError):
    """Another modification of the deployment is started."""

    ERROR_CODE = "existing_started_deployment_modification_error"


class DeploymentModificationAlreadyEndedError(CloudifyClientError):
    """The modification has ended."""

    ERROR_CODE = "deployment_modification_already_ended_error"


class UserUnauthorizedError(CloudifyClientError):
    """Who asks is not known."""

    ERROR_CODE = "unauthorized_error"


class ForbiddenError(CloudifyClientError):
    """Who asks may not do this."""

    ERROR_CODE = "forbidden_error"


class PluginInUseError(CloudifyClientError):
    """The plugin is used."""

    ERROR_CODE = "plugin_in_use"


class BlueprintInUseError(CloudifyClientError):
    """The blueprint is used."""

    ERROR_CODE = "blueprint_in_use"


class PluginInstallationError(CloudifyClientError):
    """A plugin could not be installed."""

    ERROR_CODE = "plugin_installation_error"


class PluginInstallationTimeout(CloudifyClientError):
    """A plugin was not installed in time."""

    ERROR_CODE = "plugin_installation_timeout"


class MaintenanceModeActiveError(CloudifyClientError):
    """The manager is in maintenance mode."""

    ERROR_CODE = "maintenance_mode_active"


class MaintenanceModeActivatingError(CloudifyClientError):
    """The manager is entering maintenance mode."""

    ERROR_CODE = "entering_maintenance_mode"


class NotModifiedError(CloudifyClientError):
    """The wanted state was there already."""

    ERROR_CODE = "not_modified"


class InvalidExecutionUpdateStatus(CloudifyClientError):
    """The execution cannot get that status from its present one."""

    ERROR_CODE = "invalid_exception_status_update"


class NotClusterMaster(CloudifyClientError):
    """Kept for its name."""

    ERROR_CODE = "not_cluster_master"


class RemovedFromCluster(CloudifyClientError):
    """Kept for its name."""

    ERROR_CODE = "removed_from_cluster"


class DeploymentPluginNotFound(CloudifyClientError):
    """A plugin of the deployment is not there."""

    ERROR_CODE = "deployment_plugin_not_found"


class IncompatibleClusterArchitectureError(CloudifyClientError):
    """Kept for its name."""

    ERROR_CODE = "incompatible_cluster_architecture"


class ExpiredCloudifyLicense(CloudifyClientError):
    """Kept for its name."""

    ERROR_CODE = "expired_cloudify_license"


class MissingCloudifyLicense(CloudifyClientError):
    """Kept for its name."""

    ERROR_CODE = "missing_cloudify_license"


class InvalidFilterRule(CloudifyClientError):
    """A filter rule is broken."""

    ERROR_CODE = "invalid_filter_rule"


class DeploymentParentNotFound(CloudifyClientError):
    """The parent of the deployment does not exist."""

    ERROR_CODE = "deployment_parent_not_found_error"


class ForbiddenWhileCancelling(CloudifyClientError):
    """An execution that is being cancelled may not start others."""

    ERROR_CODE = "forbidden_while_cancelling"


ERROR_MAPPING: dict[str, type[CloudifyClientError]] = {
    error.ERROR_CODE: error
    for error in list(globals().values())
    if isinstance(error, type) and issubclass(error, CloudifyClientError) and hasattr(error, "ERROR_CODE")
}


def error_for(
    message: str,
    status_code: int,
    error_code: str | None = None,
    server_traceback: str | None = None,
    response: Any = None,
) -> CloudifyClientError:
    """Return the exception for a refusal: of the class of its code, else the root."""
    factory = ERROR_MAPPING.get(error_code or "", CloudifyClientError)
    return factory(message, server_traceback, status_code, error_code, response)
