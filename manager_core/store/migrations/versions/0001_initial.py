"""initial

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from manager_core.store.column_types import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "config",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("updater_name", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("scope", "name", name=op.f("pk_config")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_counters")),
    )
    op.create_table(
        "heartbeats",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.Column("next_due_at", UtcDateTime(), nullable=True),
        sa.Column("details", Json(), nullable=True),
        sa.PrimaryKeyConstraint("service", "instance", name=op.f("pk_heartbeats")),
    )
    with op.batch_alter_table("heartbeats", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_heartbeats_beat_at"), ["beat_at"], unique=False)

    op.create_table(
        "maintenance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("activation_requested_at", UtcDateTime(), nullable=True),
        sa.Column("activated_at", UtcDateTime(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance")),
    )
    op.create_table(
        "maintenance_windows",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_maintenance_windows")),
    )
    with op.batch_alter_table("maintenance_windows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_maintenance_windows_started_at"), ["started_at"], unique=False)

    op.create_table(
        "provider_context",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("context", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_context")),
    )
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenants")),
    )
    op.create_table(
        "users",
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("last_failed_login_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("first_login_at", UtcDateTime(), nullable=True),
        sa.Column("last_login_at", UtcDateTime(), nullable=True),
        sa.Column("show_getting_started", sa.Boolean(), nullable=False),
        sa.Column("is_bootstrap_admin", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_users")),
        sa.UniqueConstraint("name_key", name=op.f("uq_users_name_key")),
    )
    op.create_table(
        "blueprints",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("main_file_name", sa.String(), nullable=True),
        sa.Column("plan", Json(), nullable=True),
        sa.Column("requirements", Json(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("error_traceback", sa.String(), nullable=True),
        sa.Column("upload_execution_id", sa.String(), nullable=True),
        sa.Column("archive_hash", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_blueprints_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_blueprints")),
        sa.UniqueConstraint("tenant_name", "id", name=op.f("uq_blueprints_tenant_name_id")),
    )
    with op.batch_alter_table("blueprints", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_blueprints_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_blueprints_id"), ["id"], unique=False)
        batch_op.create_index(batch_op.f("ix_blueprints_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "calendars",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_calendars_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_calendars")),
        sa.UniqueConstraint("tenant_name", "name", name=op.f("uq_calendars_tenant_name_name")),
    )
    op.create_table(
        "deployments",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("blueprint_id", sa.String(), nullable=True),
        sa.Column("site_name", sa.String(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("inputs", Json(), nullable=True),
        sa.Column("outputs", Json(), nullable=True),
        sa.Column("capabilities", Json(), nullable=True),
        sa.Column("groups", Json(), nullable=True),
        sa.Column("policy_types", Json(), nullable=True),
        sa.Column("policy_triggers", Json(), nullable=True),
        sa.Column("scaling_groups", Json(), nullable=True),
        sa.Column("workflows", Json(), nullable=True),
        sa.Column("deployment_groups", Json(), nullable=True),
        sa.Column("runtime_only_evaluation", sa.Boolean(), nullable=False),
        sa.Column("resource_tags", Json(), nullable=True),
        sa.Column("installation_status", sa.String(), nullable=True),
        sa.Column("deployment_status", sa.String(), nullable=True),
        sa.Column("latest_execution", sa.String(), nullable=True),
        sa.Column("create_execution", sa.String(), nullable=True),
        sa.Column("sub_services_count", sa.Integer(), nullable=False),
        sa.Column("sub_services_status", sa.String(), nullable=True),
        sa.Column("sub_environments_count", sa.Integer(), nullable=False),
        sa.Column("sub_environments_status", sa.String(), nullable=True),
        sa.Column("drifted_instances", sa.Integer(), nullable=False),
        sa.Column("unavailable_instances", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_deployments_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_deployments")),
        sa.UniqueConstraint("tenant_name", "id", name=op.f("uq_deployments_tenant_name_id")),
    )
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deployments_blueprint_id"), ["blueprint_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployments_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployments_id"), ["id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployments_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "feed_tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=True),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_feed_tokens_tenant_name_tenants")),
        sa.ForeignKeyConstraint(
            ["username"], ["users.username"], name=op.f("fk_feed_tokens_username_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_feed_tokens_token_hash")),
    )
    op.create_table(
        "filters",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("filtered_resource", sa.String(), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.Column("is_system_filter", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_filters_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_filters")),
        sa.UniqueConstraint(
            "tenant_name", "filtered_resource", "id", name=op.f("uq_filters_tenant_name_filtered_resource_id")
        ),
    )
    with op.batch_alter_table("filters", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_filters_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_filters_filtered_resource"), ["filtered_resource"], unique=False)
        batch_op.create_index(batch_op.f("ix_filters_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "plugins",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("package_name", sa.String(), nullable=False),
        sa.Column("package_version", sa.String(), nullable=True),
        sa.Column("archive_name", sa.String(), nullable=True),
        sa.Column("package_source", sa.String(), nullable=True),
        sa.Column("distribution", sa.String(), nullable=True),
        sa.Column("distribution_release", sa.String(), nullable=True),
        sa.Column("distribution_version", sa.String(), nullable=True),
        sa.Column("supported_platform", sa.String(), nullable=True),
        sa.Column("supported_py_versions", Json(), nullable=True),
        sa.Column("wheels", Json(), nullable=True),
        sa.Column("excluded_wheels", Json(), nullable=True),
        sa.Column("uploaded_at", UtcDateTime(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("blueprint_labels", Json(), nullable=True),
        sa.Column("labels", Json(), nullable=True),
        sa.Column("resource_tags", Json(), nullable=True),
        sa.Column("installation_state", Json(), nullable=True),
        sa.Column("yaml_files", Json(), nullable=True),
        sa.Column("archive_hash", sa.String(), nullable=False),
        sa.Column("package_hash", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_plugins_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_plugins")),
        sa.UniqueConstraint("id", name=op.f("uq_plugins_id")),
    )
    with op.batch_alter_table("plugins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_plugins_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_plugins_package_name"), ["package_name"], unique=False)
        batch_op.create_index(batch_op.f("ix_plugins_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "secrets",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("encrypted_value", sa.String(), nullable=False),
        sa.Column("value_schema", Json(), nullable=True),
        sa.Column("is_hidden_value", sa.Boolean(), nullable=False),
        sa.Column("provider_name", sa.String(), nullable=True),
        sa.Column("provider_options", Json(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_secrets_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_secrets")),
        sa.UniqueConstraint("tenant_name", "key", name=op.f("uq_secrets_tenant_name_key")),
    )
    with op.batch_alter_table("secrets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_secrets_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_secrets_key"), ["key"], unique=False)
        batch_op.create_index(batch_op.f("ix_secrets_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "snapshots",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("archive_hash", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_snapshots_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint("id", name=op.f("uq_snapshots_id")),
    )
    with op.batch_alter_table("snapshots", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_snapshots_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_snapshots_id"), ["id"], unique=False)
        batch_op.create_index(batch_op.f("ix_snapshots_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "tenant_members",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_name"], ["tenants.name"], name=op.f("fk_tenant_members_tenant_name_tenants"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["username"], ["users.username"], name=op.f("fk_tenant_members_username_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_name", "username", name=op.f("pk_tenant_members")),
    )
    with op.batch_alter_table("tenant_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tenant_members_username"), ["username"], unique=False)

    op.create_table(
        "tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("expiration_date", UtcDateTime(), nullable=True),
        sa.Column("last_used", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["username"], ["users.username"], name=op.f("fk_tokens_username_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
    )
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tokens_username"), ["username"], unique=False)

    op.create_table(
        "blueprint_labels",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("blueprint_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_name", "blueprint_id"],
            ["blueprints.tenant_name", "blueprints.id"],
            name=op.f("fk_blueprint_labels_tenant_name_blueprint_id_blueprints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_blueprint_labels")),
        sa.UniqueConstraint(
            "tenant_name",
            "blueprint_id",
            "key",
            "value",
            name=op.f("uq_blueprint_labels_tenant_name_blueprint_id_key_value"),
        ),
    )
    with op.batch_alter_table("blueprint_labels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_blueprint_labels_key"), ["key"], unique=False)

    op.create_table(
        "deployment_labels",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_deployment_labels_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_deployment_labels")),
        sa.UniqueConstraint(
            "tenant_name",
            "deployment_id",
            "key",
            "value",
            name=op.f("uq_deployment_labels_tenant_name_deployment_id_key_value"),
        ),
    )
    with op.batch_alter_table("deployment_labels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deployment_labels_key"), ["key"], unique=False)

    op.create_table(
        "deployment_modifications",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("context", Json(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("modified_nodes", Json(), nullable=True),
        sa.Column("node_instances", Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_deployment_modifications_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_name"], ["tenants.name"], name=op.f("fk_deployment_modifications_tenant_name_tenants")
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_deployment_modifications")),
        sa.UniqueConstraint("tenant_name", "id", name=op.f("uq_deployment_modifications_tenant_name_id")),
    )
    with op.batch_alter_table("deployment_modifications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deployment_modifications_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployment_modifications_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployment_modifications_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "deployment_updates",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("old_blueprint_id", sa.String(), nullable=True),
        sa.Column("new_blueprint_id", sa.String(), nullable=True),
        sa.Column("old_inputs", Json(), nullable=True),
        sa.Column("new_inputs", Json(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("execution_id", sa.String(), nullable=True),
        sa.Column("preview", sa.Boolean(), nullable=False),
        sa.Column("runtime_only_evaluation", sa.Boolean(), nullable=False),
        sa.Column("steps", Json(), nullable=True),
        sa.Column("deployment_plan", Json(), nullable=True),
        sa.Column("deployment_update_nodes", Json(), nullable=True),
        sa.Column("deployment_update_node_instances", Json(), nullable=True),
        sa.Column("deployment_update_deployment", Json(), nullable=True),
        sa.Column("central_plugins_to_install", Json(), nullable=True),
        sa.Column("central_plugins_to_uninstall", Json(), nullable=True),
        sa.Column("modified_entity_ids", Json(), nullable=True),
        sa.Column("schedules_to_create", Json(), nullable=True),
        sa.Column("schedules_to_delete", Json(), nullable=True),
        sa.Column("labels_to_create", Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_deployment_updates_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_name"], ["tenants.name"], name=op.f("fk_deployment_updates_tenant_name_tenants")
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_deployment_updates")),
        sa.UniqueConstraint("tenant_name", "id", name=op.f("uq_deployment_updates_tenant_name_id")),
    )
    with op.batch_alter_table("deployment_updates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deployment_updates_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployment_updates_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deployment_updates_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "execution_schedules",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("parameters", Json(), nullable=True),
        sa.Column("execution_arguments", Json(), nullable=True),
        sa.Column("since", UtcDateTime(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("rule", Json(), nullable=True),
        sa.Column("compiled", Json(), nullable=True),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("slip", sa.Integer(), nullable=False),
        sa.Column("stop_on_fail", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("overlap", sa.String(), nullable=False),
        sa.Column("exclude_calendars", Json(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("next_occurrence", UtcDateTime(), nullable=True),
        sa.Column("evaluated_until", UtcDateTime(), nullable=True),
        sa.Column("latest_execution_id", sa.String(), nullable=True),
        sa.Column("last_outcome", sa.String(), nullable=True),
        sa.Column("rearmed_at", UtcDateTime(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("disabled_by", sa.String(), nullable=True),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_execution_schedules_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_name"], ["tenants.name"], name=op.f("fk_execution_schedules_tenant_name_tenants")
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_execution_schedules")),
        sa.UniqueConstraint(
            "tenant_name", "deployment_id", "id", name=op.f("uq_execution_schedules_tenant_name_deployment_id_id")
        ),
    )
    with op.batch_alter_table("execution_schedules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_execution_schedules_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_execution_schedules_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index("ix_execution_schedules_due", ["enabled", "next_occurrence"], unique=False)
        batch_op.create_index(batch_op.f("ix_execution_schedules_id"), ["id"], unique=False)
        batch_op.create_index(batch_op.f("ix_execution_schedules_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "executions",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=True),
        sa.Column("blueprint_id", sa.String(), nullable=True),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("parameters", Json(), nullable=True),
        sa.Column("is_system_workflow", sa.Boolean(), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("scheduled_for", UtcDateTime(), nullable=True),
        sa.Column("total_operations", sa.Integer(), nullable=False),
        sa.Column("finished_operations", sa.Integer(), nullable=False),
        sa.Column("resume", sa.Boolean(), nullable=False),
        sa.Column("allow_custom_parameters", sa.Boolean(), nullable=False),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("wait_after_fail", sa.Integer(), nullable=False),
        sa.Column("allow_overlap", sa.Boolean(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lost_worker", sa.Boolean(), nullable=False),
        sa.Column("schedule_storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("schedule_id", sa.String(), nullable=True),
        sa.Column("occurrence", UtcDateTime(), nullable=True),
        sa.Column("manager_name", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_executions_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_executions_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_executions")),
        sa.UniqueConstraint("id", name=op.f("uq_executions_id")),
    )
    with op.batch_alter_table("executions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_executions_created",
            ["created_at", "storage_id", "tenant_name", "visibility", "is_system_workflow", "created_by"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_executions_created_by"), ["created_by"], unique=False)
        batch_op.create_index(
            "ix_executions_deployment_created", ["tenant_name", "deployment_id", "created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_executions_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index("ix_executions_schedule", ["schedule_storage_id", "storage_id"], unique=False)
        batch_op.create_index(
            "ix_executions_schedule_open",
            ["schedule_storage_id", "storage_id"],
            unique=False,
            sqlite_where=sa.text("status NOT IN ('terminated', 'failed', 'cancelled')"),
            postgresql_where=sa.text("status NOT IN ('terminated', 'failed', 'cancelled')"),
        )
        batch_op.create_index("ix_executions_status_created", ["status", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_executions_tenant_name"), ["tenant_name"], unique=False)
        batch_op.create_index(batch_op.f("ix_executions_token_hash"), ["token_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_executions_workflow_id"), ["workflow_id"], unique=False)

    op.create_table(
        "inter_deployment_dependencies",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("dependency_creator", sa.String(), nullable=False),
        sa.Column("target_deployment", sa.String(), nullable=True),
        sa.Column("target_deployment_function", Json(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_inter_deployment_dependencies_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_inter_deployment_dependencies")),
    )
    with op.batch_alter_table("inter_deployment_dependencies", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_inter_deployment_dependencies_deployment_id"), ["deployment_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_inter_deployment_dependencies_target_deployment"), ["target_deployment"], unique=False
        )

    op.create_table(
        "node_instances",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("host_id", sa.String(), nullable=True),
        sa.Column("index", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("relationships", Json(), nullable=True),
        sa.Column("runtime_properties", Json(), nullable=True),
        sa.Column("system_properties", Json(), nullable=True),
        sa.Column("scaling_groups", Json(), nullable=True),
        sa.Column("has_configuration_drift", sa.Boolean(), nullable=False),
        sa.Column("is_status_check_ok", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_node_instances_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_node_instances_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_node_instances")),
        sa.UniqueConstraint("tenant_name", "id", name=op.f("uq_node_instances_tenant_name_id")),
    )
    with op.batch_alter_table("node_instances", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_node_instances_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_node_instances_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_node_instances_node_id"), ["node_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_node_instances_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "nodes",
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("blueprint_id", sa.String(), nullable=True),
        sa.Column("host_id", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("type_hierarchy", Json(), nullable=True),
        sa.Column("properties", Json(), nullable=True),
        sa.Column("operations", Json(), nullable=True),
        sa.Column("relationships", Json(), nullable=True),
        sa.Column("plugins", Json(), nullable=True),
        sa.Column("plugins_to_install", Json(), nullable=True),
        sa.Column("number_of_instances", sa.Integer(), nullable=False),
        sa.Column("planned_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("deploy_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("min_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("max_number_of_instances", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_name", "deployment_id"],
            ["deployments.tenant_name", "deployments.id"],
            name=op.f("fk_nodes_tenant_name_deployment_id_deployments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_name"], ["tenants.name"], name=op.f("fk_nodes_tenant_name_tenants")),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("tenant_name", "deployment_id", "id", name=op.f("uq_nodes_tenant_name_deployment_id_id")),
    )
    with op.batch_alter_table("nodes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_nodes_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_nodes_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_nodes_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "event_counts",
        sa.Column("execution_id", sa.String(), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("logs", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["executions.id"],
            name=op.f("fk_event_counts_execution_id_executions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_event_counts")),
    )
    with op.batch_alter_table("event_counts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_counts_tenant_name"), ["tenant_name"], unique=False)

    op.create_table(
        "events",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant_name", sa.String(), nullable=False),
        sa.Column("execution_id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=True),
        sa.Column("logger", sa.String(), nullable=True),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=True),
        sa.Column("node_name", sa.String(), nullable=True),
        sa.Column("node_instance_id", sa.String(), nullable=True),
        sa.Column("source_id", sa.String(), nullable=True),
        sa.Column("target_id", sa.String(), nullable=True),
        sa.Column("error_causes", Json(), nullable=True),
        sa.Column("timestamp", UtcDateTime(), nullable=False),
        sa.Column("reported_timestamp", UtcDateTime(), nullable=False),
        sa.Column("manager_name", sa.String(), nullable=True),
        sa.Column("agent_name", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name=op.f("fk_events_execution_id_executions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_events_execution", ["execution_id", "reported_timestamp", "storage_id", "type"], unique=False
        )
        batch_op.create_index(
            "ix_events_tenant", ["tenant_name", "reported_timestamp", "storage_id", "type"], unique=False
        )

    op.create_table(
        "schedule_records",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("schedule_storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("occurrence", UtcDateTime(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("execution_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("missed_count", sa.Integer(), nullable=True),
        sa.Column("missed_since", UtcDateTime(), nullable=True),
        sa.Column("manual", sa.Boolean(), nullable=False),
        sa.Column("facts", Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_storage_id"],
            ["execution_schedules.storage_id"],
            name=op.f("fk_schedule_records_schedule_storage_id_execution_schedules"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_schedule_records")),
    )
    with op.batch_alter_table("schedule_records", schema=None) as batch_op:
        batch_op.create_index("ix_schedule_records_newest", ["schedule_storage_id", "storage_id"], unique=False)
        batch_op.create_index(
            "uq_schedule_records_occurrence",
            ["schedule_storage_id", "occurrence"],
            unique=True,
            sqlite_where=sa.text("manual = 0"),
            postgresql_where=sa.text("NOT manual"),
        )

    op.create_table(
        "tasks_graphs",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("execution_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["executions.id"],
            name=op.f("fk_tasks_graphs_execution_id_executions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_tasks_graphs")),
        sa.UniqueConstraint("execution_id", "name", name=op.f("uq_tasks_graphs_execution_id_name")),
        sa.UniqueConstraint("id", name=op.f("uq_tasks_graphs_id")),
    )
    op.create_table(
        "operations",
        sa.Column("storage_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tasks_graph_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("dependencies", Json(), nullable=True),
        sa.Column("parameters", Json(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("manager_name", sa.String(), nullable=True),
        sa.Column("agent_name", sa.String(), nullable=True),
        sa.Column("response", Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tasks_graph_id"],
            ["tasks_graphs.id"],
            name=op.f("fk_operations_tasks_graph_id_tasks_graphs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("storage_id", name=op.f("pk_operations")),
        sa.UniqueConstraint("id", name=op.f("uq_operations_id")),
    )
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_operations_tasks_graph_id"), ["tasks_graph_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_operations_tasks_graph_id"))

    op.drop_table("operations")
    op.drop_table("tasks_graphs")
    with op.batch_alter_table("schedule_records", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_schedule_records_occurrence", sqlite_where=sa.text("manual = 0"), postgresql_where=sa.text("NOT manual")
        )
        batch_op.drop_index("ix_schedule_records_newest")

    op.drop_table("schedule_records")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index("ix_events_tenant")
        batch_op.drop_index("ix_events_execution")

    op.drop_table("events")
    with op.batch_alter_table("event_counts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_counts_tenant_name"))

    op.drop_table("event_counts")
    with op.batch_alter_table("nodes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_nodes_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_nodes_deployment_id"))
        batch_op.drop_index(batch_op.f("ix_nodes_created_by"))

    op.drop_table("nodes")
    with op.batch_alter_table("node_instances", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_node_instances_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_node_instances_node_id"))
        batch_op.drop_index(batch_op.f("ix_node_instances_deployment_id"))
        batch_op.drop_index(batch_op.f("ix_node_instances_created_by"))

    op.drop_table("node_instances")
    with op.batch_alter_table("inter_deployment_dependencies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inter_deployment_dependencies_target_deployment"))
        batch_op.drop_index(batch_op.f("ix_inter_deployment_dependencies_deployment_id"))

    op.drop_table("inter_deployment_dependencies")
    with op.batch_alter_table("executions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_executions_workflow_id"))
        batch_op.drop_index(batch_op.f("ix_executions_token_hash"))
        batch_op.drop_index(batch_op.f("ix_executions_tenant_name"))
        batch_op.drop_index("ix_executions_status_created")
        batch_op.drop_index(
            "ix_executions_schedule_open",
            sqlite_where=sa.text("status NOT IN ('terminated', 'failed', 'cancelled')"),
            postgresql_where=sa.text("status NOT IN ('terminated', 'failed', 'cancelled')"),
        )
        batch_op.drop_index("ix_executions_schedule")
        batch_op.drop_index(batch_op.f("ix_executions_deployment_id"))
        batch_op.drop_index("ix_executions_deployment_created")
        batch_op.drop_index(batch_op.f("ix_executions_created_by"))
        batch_op.drop_index("ix_executions_created")

    op.drop_table("executions")
    with op.batch_alter_table("execution_schedules", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_execution_schedules_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_execution_schedules_id"))
        batch_op.drop_index("ix_execution_schedules_due")
        batch_op.drop_index(batch_op.f("ix_execution_schedules_deployment_id"))
        batch_op.drop_index(batch_op.f("ix_execution_schedules_created_by"))

    op.drop_table("execution_schedules")
    with op.batch_alter_table("deployment_updates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deployment_updates_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_deployment_updates_deployment_id"))
        batch_op.drop_index(batch_op.f("ix_deployment_updates_created_by"))

    op.drop_table("deployment_updates")
    with op.batch_alter_table("deployment_modifications", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deployment_modifications_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_deployment_modifications_deployment_id"))
        batch_op.drop_index(batch_op.f("ix_deployment_modifications_created_by"))

    op.drop_table("deployment_modifications")
    with op.batch_alter_table("deployment_labels", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deployment_labels_key"))

    op.drop_table("deployment_labels")
    with op.batch_alter_table("blueprint_labels", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blueprint_labels_key"))

    op.drop_table("blueprint_labels")
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tokens_username"))

    op.drop_table("tokens")
    with op.batch_alter_table("tenant_members", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tenant_members_username"))

    op.drop_table("tenant_members")
    with op.batch_alter_table("snapshots", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_snapshots_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_snapshots_id"))
        batch_op.drop_index(batch_op.f("ix_snapshots_created_by"))

    op.drop_table("snapshots")
    with op.batch_alter_table("secrets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_secrets_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_secrets_key"))
        batch_op.drop_index(batch_op.f("ix_secrets_created_by"))

    op.drop_table("secrets")
    with op.batch_alter_table("plugins", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_plugins_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_plugins_package_name"))
        batch_op.drop_index(batch_op.f("ix_plugins_created_by"))

    op.drop_table("plugins")
    with op.batch_alter_table("filters", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_filters_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_filters_filtered_resource"))
        batch_op.drop_index(batch_op.f("ix_filters_created_by"))

    op.drop_table("filters")
    op.drop_table("feed_tokens")
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deployments_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_deployments_id"))
        batch_op.drop_index(batch_op.f("ix_deployments_created_by"))
        batch_op.drop_index(batch_op.f("ix_deployments_blueprint_id"))

    op.drop_table("deployments")
    op.drop_table("calendars")
    with op.batch_alter_table("blueprints", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blueprints_tenant_name"))
        batch_op.drop_index(batch_op.f("ix_blueprints_id"))
        batch_op.drop_index(batch_op.f("ix_blueprints_created_by"))

    op.drop_table("blueprints")
    op.drop_table("users")
    op.drop_table("tenants")
    op.drop_table("provider_context")
    with op.batch_alter_table("maintenance_windows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_maintenance_windows_started_at"))

    op.drop_table("maintenance_windows")
    op.drop_table("maintenance")
    with op.batch_alter_table("heartbeats", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_heartbeats_beat_at"))

    op.drop_table("heartbeats")
    op.drop_table("counters")
    op.drop_table("config")
