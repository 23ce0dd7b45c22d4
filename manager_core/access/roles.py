"""Roles and the permissions they grant, as a table (REST contract §2.7). Pure."""

from __future__ import annotations

SYS_ADMIN = "sys_admin"
DEFAULT = "default"
SYSTEM_ROLES = (SYS_ADMIN, DEFAULT)
TENANT_ROLES = ("manager", "user", "operations", "viewer")

ROLE_DESCRIPTIONS = {
    SYS_ADMIN: "Manages users, tenants and the manager itself, and may do everything in every tenant",
    "manager": "Manages a tenant, and sees the private things of its users",
    "user": "Uploads, deploys and runs",
    "operations": "Deploys and runs what others uploaded",
    "viewer": "Looks on",
    DEFAULT: "Signs in; everything else comes from roles in tenants",
}

_ADMIN_ONLY = """
all_tenants create_global_resource maintenance_mode_set tenant_create tenant_delete tenant_add_user tenant_update_user
tenant_remove_user tenant_list_get_data user_get user_list user_create user_delete user_update user_set_activated
user_unlock user_group_get user_group_list user_group_create user_group_delete user_group_add_user
user_group_remove_user user_group_update snapshot_create snapshot_delete snapshot_download snapshot_get snapshot_list
snapshot_restore snapshot_status_update snapshot_upload set_timestamp set_owner set_execution_details
get_password_hash manage_others_tokens broker_credentials
"""
_MANAGERS = "administrators execute_global_workflow manager_config_put"
_USERS = """
blueprint_upload blueprint_delete plugin_upload plugin_delete secret_create secret_update secret_delete secret_export
secret_import resource_set_visibility
"""
_OPERATIONS = """
deployment_create deployment_delete deployment_update deployment_modify deployment_set_visibility deployment_set_site
deployment_modification_finish deployment_modification_rollback deployment_update_create deployment_update_update
event_create event_delete execution_start execution_cancel execution_status_update execution_delete
execution_schedule_create functions_evaluate node_update node_delete node_instance_update node_instance_delete
filter_create filter_update filter_delete tenant_get execution_group_create execution_group_cancel
execution_group_update plugins_update_create
"""
_VIEWERS = """
blueprint_get blueprint_list blueprint_download deployment_get deployment_list deployment_outputs
deployment_capabilities deployment_modification_get deployment_modification_list deployment_modification_outputs
deployment_update_get deployment_update_list deployment_group_get deployment_group_list event_list execution_get
execution_list execution_group_get execution_group_list execution_schedule_get execution_schedule_list
execution_should_start filter_get filter_list inter_deployment_dependency_get inter_deployment_dependency_list
labels_list node_get node_list node_instance_get node_instance_list operations plugin_get plugin_list plugin_download
plugins_update_get plugins_update_list secret_get secret_list site_get site_list workflow_list
"""
_EVERYBODY = """
maintenance_mode_get manager_config_get manager_get broker_get db_nodes_get provider_context_get status_get
tenant_list token_get user_get_self version_get license_list cluster_status_get
"""
_TOKENS = "create_token delete_token list_token"


def _table() -> dict[str, frozenset[str]]:
    grants = [
        (_ADMIN_ONLY, {SYS_ADMIN}),
        (_MANAGERS, {SYS_ADMIN, "manager"}),
        (_USERS, {SYS_ADMIN, "manager", "user"}),
        (_OPERATIONS, {SYS_ADMIN, "manager", "user", "operations"}),
        (_VIEWERS, {SYS_ADMIN, "manager", "user", "operations", "viewer"}),
        (_EVERYBODY, {SYS_ADMIN, "manager", "user", "operations", "viewer", DEFAULT}),
        (_TOKENS, {SYS_ADMIN, "manager", "user", "viewer", DEFAULT}),
    ]
    return {permission: frozenset(roles) for names, roles in grants for permission in names.split()}


PERMISSIONS: dict[str, frozenset[str]] = _table()
"""Permission → the roles that have it."""


def allows(roles: frozenset[str], permission: str) -> bool:
    """Tell whether one of `roles` grants `permission`; an unknown permission is granted to nobody."""
    return not roles.isdisjoint(PERMISSIONS.get(permission, frozenset()))
