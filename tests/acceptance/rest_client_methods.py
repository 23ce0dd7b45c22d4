"""Every method of the REST client that the contract covers is called once. Run by the reference environment's Python.

usage: rest_client_methods.py HOST PORT PASSWORD FOLDER
FOLDER holds `life/blueprint.yaml`, `plugin.zip` and a writable `out`. Ends with status 0 when every public method of
the client was called or is named in `OUTSIDE`, and every answer held the fields of the contract.
"""

import fnmatch
import inspect
import pathlib
import sys
import time

from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError

HOST, PORT, PASSWORD, FOLDER = sys.argv[1:5]
FOLDER = pathlib.Path(FOLDER)
LIFE = str(FOLDER / "life" / "blueprint.yaml")
OUT = FOLDER / "out"

SECTION_24 = "not part of the compact manager (REST contract §24)"
SNAPSHOTS = "the reference's snapshot workflow calls it; ours stores and restores rows itself"
OUTSIDE = {
    "agents.*": SECTION_24,
    "auditlog.*": SECTION_24,
    "community_contacts.*": SECTION_24,
    "idp.*": SECTION_24,
    "inter_deployment_dependencies.*": SECTION_24,
    "ldap.*": SECTION_24,
    "license.*": SECTION_24,
    "log_bundles.*": SECTION_24,
    "plugins_update.*": SECTION_24,
    "secrets_providers.*": SECTION_24,
    "sites.*": SECTION_24,
    "user_groups.*": SECTION_24,
    "deployment_groups.*": "groups are left out (§21)",
    "execution_groups.*": "groups are left out (§21)",
    "resources.*": "the original's file server, not its REST service",
    "tenants.*_user_group": "user groups are left out (§4.3)",
    "permissions.add": "editing permissions is left out (§2.6)",
    "permissions.delete": "editing permissions is left out (§2.6)",
    "manager.add_*": SECTION_24,
    "manager.remove_*": SECTION_24,
    "manager.update_broker": SECTION_24,
    "manager.update_manager": SECTION_24,
    "manager.update_db_nodes": SECTION_24,
    "plugins.install": "a plugin is installed by the runtime when it is first used (§16 names no endpoint)",
    "plugins.update": "§16 names no PATCH of a plugin",
    "plugins.set_owner": "§16 names no PATCH of a plugin",
    "deployment_updates.bulk_insert": SNAPSHOTS,
    "*.restore": SNAPSHOTS,
    "blueprints.calc_size": "asks the disk, not the manager",
}
"""Methods the contract does not cover, each with the reason."""

BASE = "created_by tenant_name visibility resource_availability private_resource"
FIELDS = {
    "blueprint": BASE + " id main_file_name plan requirements description created_at updated_at is_hidden state error"
    " error_traceback labels upload_execution",
    "deployment": BASE + " id display_name description blueprint_id site_name created_at updated_at inputs outputs"
    " capabilities groups policy_types policy_triggers scaling_groups workflows labels deployment_groups"
    " runtime_only_evaluation resource_tags installation_status deployment_status latest_execution"
    " latest_execution_status latest_execution_workflow_id latest_execution_total_operations"
    " latest_execution_finished_operations create_execution sub_services_count sub_services_status"
    " sub_environments_count sub_environments_status has_sub_deployments environment_type drifted_instances"
    " unavailable_instances permalink workdir_zip",
    "workflow": "name plugin operation parameters is_cascading is_available availability_rules",
    "update": BASE + " id deployment_id old_blueprint_id new_blueprint_id old_inputs new_inputs state execution_id"
    " created_at steps modified_entity_ids runtime_only_evaluation deployment_plan deployment_update_nodes"
    " deployment_update_node_instances deployment_update_deployment central_plugins_to_install"
    " central_plugins_to_uninstall recursive_dependencies schedules_to_create schedules_to_delete labels_to_create",
    "execution": BASE + " id workflow_id status status_display error parameters is_system_workflow is_dry_run"
    " created_at started_at ended_at scheduled_for deployment_id deployment_display_name blueprint_id"
    " total_operations finished_operations resume allow_custom_parameters",
    "schedule": BASE + " id deployment_id workflow_id parameters execution_arguments created_at since until rule slip"
    " stop_on_fail enabled next_occurrence latest_execution_status all_next_occurrences",
    "event": "type message deployment_id execution_id workflow_id operation node_name node_instance_id error_causes"
    " source_id target_id timestamp reported_timestamp",
    "node": BASE + " id deployment_id deployment_display_name blueprint_id host_id type type_hierarchy properties"
    " operations relationships plugins plugins_to_install number_of_instances planned_number_of_instances"
    " deploy_number_of_instances min_number_of_instances max_number_of_instances actual_number_of_instances"
    " actual_planned_number_of_instances drifted_instances unavailable_instances",
    "instance": BASE + " id node_id deployment_id host_id index state version relationships runtime_properties"
    " system_properties scaling_groups has_configuration_drift is_status_check_ok",
    "modification": BASE + " id deployment_id deployment_display_name status context created_at ended_at"
    " modified_nodes node_instances",
    "operation": "id name state created_at dependencies type parameters manager_name agent_name tasks_graph_id",
    "graph": "id name execution_id created_at",
    "plugin": BASE + " id package_name package_version archive_name package_source distribution distribution_release"
    " distribution_version supported_platform supported_py_versions wheels excluded_wheels uploaded_at title"
    " blueprint_labels labels resource_tags installation_state yaml_url_path yaml_files_paths file_server_path",
    "secret": BASE + " key schema is_hidden_value provider_name provider_options created_at updated_at",
    "snapshot": BASE + " id created_at status error",
    "filter": BASE + " id value labels_filter_rules attrs_filter_rules is_system_filter created_at updated_at",
    "token": "id username value role expiration_date last_used description",
    "user": "username role groups tenants tenant_roles group_system_roles active is_locked created_at first_login_at"
    " last_login_at show_getting_started password_hash",
    "tenant": "name groups users user_roles rabbitmq_username rabbitmq_password rabbitmq_vhost",
    "maintenance": "status activation_requested_at activated_at requested_by remaining_executions",
    "config": "name value schema scope is_editable admin_only updated_at updater_name",
    "version": "version edition build date commit distribution distro_release",
    "manager": "id hostname private_ip public_ip version edition distribution distro_release fs_sync_node_id networks"
    " ca_cert_content last_seen",
    "broker": "id name host management_host port username password params networks is_external ca_cert_content",
    "db": "name host is_external",
    "permission": "role permission",
}

called = set()
checks = 0


def resources_of(owner, prefix=""):
    """Yield (dotted name, resource) of the client's resources, those inside others too."""
    for name, value in vars(owner).items():
        inside = type(value).__module__.startswith("cloudify_") and name not in ("api", "_client")
        if inside and not name.startswith("_"):
            yield prefix + name, value
            yield from resources_of(value, prefix + name + ".")


def methods_of(resource):
    return {name for name, _ in inspect.getmembers(resource, inspect.isroutine) if not name.startswith("_")}


class Watched:
    """A resource of the client that notes which of its methods are called."""

    def __init__(self, resource, name):
        self._resource, self._name = resource, name

    def __getattr__(self, name):
        value = getattr(self._resource, name)
        dotted = f"{self._name}.{name}".lstrip(".")
        if inspect.isroutine(value):
            called.add(dotted)
            return value
        return Watched(value, dotted) if type(value).__module__.startswith("cloudify_") else value


def connect(**credentials):
    return CloudifyClient(host=HOST, port=int(PORT), protocol="http", tenant="default_tenant", **credentials)


real = connect(username="admin", password=PASSWORD)
client = Watched(real, "")


def check(condition, what):
    global checks
    assert condition, what
    checks += 1


def has(kind, *objects):
    """Check that each object has the contract's fields; return the first."""
    for found in objects:
        missing = set(FIELDS[kind].split()) - set(found)
        check(not missing, f"{kind} without {sorted(missing)}: {sorted(found)}")
    return objects[0]


def page(kind, found):
    """Check a list: at least one item, all whole, and its envelope; return it."""
    check(found.metadata.pagination["total"] >= len(found) > 0, f"{kind}: {found.metadata}")
    has(kind, *found)
    return found


def refused(status, code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except CloudifyClientError as error:
        check(
            (error.status_code, error.error_code) == (status, code), f"{error.status_code} {error.error_code}: {error}"
        )
        return
    raise AssertionError(f"{call} was not refused")


def until(true, seconds=180):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def ended(execution_id, status="terminated"):
    until(lambda: real.executions.get(execution_id).status in ("terminated", "failed", "cancelled"))
    found = real.executions.get(execution_id)
    check(found.status == status, f"{found.workflow_id}: {found.status}: {found.error}")
    return found


# system
check(client.manager.get_status()["status"] == "OK", "status")
check(client.cluster_status.get_status()["status"] == "OK", "cluster status")
has("version", client.manager.get_version())
managers, brokers = page("manager", client.manager.get_managers()), page("broker", client.manager.get_brokers())
databases = page("db", client.manager.get_db_nodes())
check({managers[0].private_ip, databases[0].host} == {brokers[0].host}, "one address")
has("config", client.manager.get_config(name="task_retries"), *client.manager.get_config(scope="rest"))
check(client.manager.put_config("task_retries", 7)["value"] == 7, "put config")
check("context" in client.manager.get_context(), "provider context")
client.manager.create_context("mine", {"a": 1})
client.manager.update_context("mine", {"a": 2})
check(real.manager.get_context()["context"] == {"a": 2}, "provider context")
page("permission", client.permissions.list(role="user"))
check(list(client.permissions.dump()), "permissions dump")

# blueprints
blueprint = has("blueprint", client.blueprints.upload(LIFE, "life", labels=[{"team": "ops"}]))
check((blueprint.state, blueprint.upload_execution["workflow_id"]) == ("uploaded", "upload_blueprint"), blueprint)
archive = client.blueprints.download("life", str(OUT / "life.tar.gz"))
has("blueprint", client.blueprints.publish_archive(archive, "other", "blueprint.yaml"))
check(client.blueprints.validate(LIFE, "checked")["state"] == "validating", "validate")
has("blueprint", client.blueprints.get("life"))
page("blueprint", client.blueprints.list(sort="id", is_descending=True))
check(
    [row.id for row in client.blueprints.list(constraints={"name_pattern": {"starts_with": "li"}})] == ["life"],
    "search",
)
client.blueprints.upload_archive("other", archive)
(OUT / "icon.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
client.blueprints.upload_icon("other", str(OUT / "icon.png"))
client.blueprints.remove_icon("other")
check(client.blueprints.update("other", {"description": "said"})["description"] == "said", "update blueprint")
check(client.blueprints.set_visibility("other", "global")["visibility"] == "global", "set visibility")
check(client.blueprints.set_global("other")["visibility"] == "global", "set global")
check({row["id"] for row in client.blueprints.dump()} >= {"life", "other"}, "dump")
client.blueprints.delete("other", force=True)
check(client.blueprints_labels.list_keys().items == ["team"], "label keys")
check(client.blueprints_labels.list_key_values("team").items == ["ops"], "label values")
check("csys-obj-type" in client.blueprints_labels.get_reserved_labels_keys().items, "reserved labels")

# deployments
deployment = has("deployment", client.deployments.create("life", "life", inputs={"name": "Ada"}))
has("workflow", *deployment["workflows"])
has("deployment", client.deployments.get("life"))
page("deployment", client.deployments.list(filter_rules=[]))
check(client.deployments.set_site("life", "north")["site_name"] == "north", "set site")
check(client.deployments.set_visibility("life", "tenant")["visibility"] == "tenant", "set visibility")
labels = client.deployments.update_labels("life", [{"team": ["ops", "dev"]}])["labels"]
check({(label["key"], label["value"]) for label in labels} == {("team", "ops"), ("team", "dev")}, labels)
client.deployments.set_attributes("life", display_name="Life")
check(real.deployments.get("life")["display_name"] == "Life", "set attributes")
check("greetings" in client.deployments.outputs.get("life")["outputs"], "outputs")
check(client.deployments.capabilities.get("life")["capabilities"] == {}, "capabilities")
constraints = {"name_pattern": {"contains": "x"}}
check(len(client.deployments.capabilities.list("life", constraints=constraints)) <= 1, "capabilities list")
check(len(client.deployments.scaling_groups.list("life", constraints=constraints)) <= 1, "scaling groups list")
check([row["id"] for row in client.deployments.dump()] == ["life"], "dump")
check(client.deployments_labels.list_keys().items == ["team"], "label keys")
check(sorted(client.deployments_labels.list_key_values("team").items) == ["dev", "ops"], "label values")
check("csys-obj-type" in client.deployments_labels.get_reserved_labels_keys().items, "reserved labels")
page("workflow", client.workflows.list())
answer = client.evaluate.functions("life", {}, {"word": {"get_input": "name"}})
check(answer["payload"] == {"word": "Ada"}, answer)
for filters in (client.blueprints_filters, client.deployments_filters):
    rules = [{"key": "team", "values": ["ops"], "operator": "any_of", "type": "label"}]
    has("filter", filters.create("mine", rules), filters.get("mine"))
    page("filter", filters.list())
    check(filters.update("mine", new_visibility="global")["visibility"] == "global", "update filter")
    check([row["id"] for row in filters.dump()] == ["mine"], "dump")
    filters.delete("mine")

# nodes
page("node", client.nodes.list(deployment_id="life"))
has("node", client.nodes.get("life", "greeter", evaluate_functions=True))
check(client.nodes.types.list("cloudify.nodes.Root", deployment_id="life") is not None, "node types")
check(list(client.nodes.dump(deployment_ids=["life"])), "dump")
instance = page("instance", client.node_instances.list(deployment_id="life"))[0]
has("instance", client.node_instances.get(instance.id), *client.node_instances.search([instance.id]))
changed = client.node_instances.update(instance.id, runtime_properties={"a": 1}, version=instance.version)
check(changed["runtime_properties"] == {"a": 1} and changed["version"] == instance.version + 1, changed)
check(list(client.node_instances.dump(deployment_ids=["life"])), "dump")
client.nodes.create_many("life", [{"id": "more", "type": "cloudify.nodes.Root"}])
client.node_instances.create_many("life", [{"id": "more_1", "node_id": "more"}])
check(real.node_instances.get("more_1").node_id == "more", "added")
client.node_instances.delete("more_1")
refused(403, "only_deployment_update", client.nodes.update, "life", "greeter", plugins=[])
refused(403, "only_deployment_update", client.nodes.delete, "life", "greeter")

# modifications
modification = client.deployment_modifications.start("life", {"greeter": {"instances": 2}}, context={"a": 1})
has("modification", modification, client.deployment_modifications.get(modification.id))
check(client.deployment_modifications.rollback(modification.id)["status"] == "rolledback", "rollback")
modification = real.deployment_modifications.start("life", {"greeter": {"instances": 2}})
check(client.deployment_modifications.finish(modification.id)["status"] == "finished", "finish")
page("modification", client.deployment_modifications.list(deployment_id="life"))

# schedules
schedule = client.execution_schedules.create("mine", "life", "install", since="2030-01-01", recurrence="1 day")
has("schedule", schedule, client.execution_schedules.get("mine", "life"))
page("schedule", client.execution_schedules.list(deployment_id="life"))
check(client.execution_schedules.update("mine", "life", slip=5)["slip"] == 5, "update schedule")
check({row["id"] for row in client.execution_schedules.dump()} == {"mine", "every-day"}, "dump")
client.execution_schedules.delete("mine", "life")

# executions, operations, events
execution = has("execution", client.executions.start("life", "install"))
has("execution", ended(execution.id), client.executions.get(execution.id))
made = client.executions.create("life", "execute_operation", parameters={"operation": "greeting.greet"})
ended(made.id)
page("execution", client.executions.list(deployment_id="life"))
page("event", client.events.list(execution_id=made.id, include_logs=True))
found, total = client.events.get(made.id, include_logs=True)
check(len(found) == total > 0, total)
check(list(client.events.dump(execution_ids=[made.id])), "dump")
check(list(client.executions.dump()), "dump")
graph = page("graph", client.tasks_graphs.list(made.id))[0]
operation = page("operation", client.operations.list(graph_id=graph.id))[0]
has("operation", client.operations.get(operation.id))
check(list(client.tasks_graphs.dump(execution_ids=[made.id], operations={})), "dump")
check(list(client.operations.dump(execution_ids=[made.id])), "dump")
own = has("graph", client.tasks_graphs.create(made.id, "own", operations=[]))
client.tasks_graphs.update(own.id, state="done")
client.operations.create("op-1", own.id, "one", "LocalWorkflowTask", {}, [])
client.operations.update("op-1", "succeeded")
check(real.operations.get("op-1")["state"] == "succeeded", "operation")
client.operations.delete("op-1")
client.events.create(
    events=[{"event_type": "custom", "message": {"text": "said"}, "context": {}}], logs=[], execution_id=made.id
)
check("said" in [event["message"] for event in real.events.list(execution_id=made.id)], "posted event")
slow = real.executions.start("life", "execute_operation", parameters={"operation": "greeting.slow"})
check(client.executions.should_start(slow.id) in (True, False), "should start")
until(lambda: real.executions.get(slow.id).status == "started")
check(client.executions.cancel(slow.id, kill=True)["status"] == "kill_cancelling", "kill")
ended(slow.id, "cancelled")
refused(400, "illegal_action_error", client.executions.requeue, slow.id)
refused(400, "invalid_exception_status_update", client.executions.update, slow.id, "started")
refused(409, "conflict_error", client.executions.resume, made.id)
check(client.events.delete("life", include_logs=True).items[0] > 0, "delete events")
check(client.executions.delete(keep_last=1) > 0, "delete executions")

# updates
update = client.deployment_updates.update_with_existing_blueprint("life", inputs={"name": "Eve"}, preview=True)
has("update", update)
check(update["new_inputs"] == {"name": "Eve"} and update["steps"], update)
update = real.deployment_updates.update_with_existing_blueprint("life", inputs={"name": "Eve"})
ended(update.execution_id)
has("update", client.deployment_updates.get(update.id), *page("update", client.deployment_updates.list()))
has("update", client.deployment_updates.finalize_commit(update.id))
client.deployment_updates.set_attributes(update.id, state="successful")
refused(403, "forbidden_error", client.deployment_updates.create, "life-own", "life")
check(list(client.deployment_updates.dump()), "dump")
for kind in ("blueprints", "deployments", "executions", "nodes", "node_instances", "execution_schedules"):
    target = "visibility" if kind == "blueprints" else "deployment_id"
    target = "blueprint_id" if kind == "deployments" else target
    rows = getattr(client.summary, kind).get(target)
    check(all(set(row) == {target, kind} for row in rows) and len(rows), rows)

# plugins
plugin = has("plugin", client.plugins.upload(str(FOLDER / "plugin.zip"), plugin_title="Greetings"))
has("plugin", client.plugins.get(plugin.id), *page("plugin", client.plugins.list()))
client.plugins.download(plugin.id, str(OUT / "plugin.zip"))
client.plugins.download_yaml(plugin.id, str(OUT / "plugin.yaml"))
check("greeting" in (OUT / "plugin.yaml").read_text(), "plugin yaml")
check(client.plugins.get_yaml(plugin.id, dsl_version="cloudify_dsl_1_4") is not None, "plugin yaml")
check(client.plugins.list_yaml_files(plugin.id) is not None, "yaml files")
check(client.plugins.set_state(plugin.id, "installed", manager_name="here") is not None, "plugin state")
check(client.plugins.set_visibility(plugin.id, "global")["visibility"] == "global", "plugin visibility")
client.plugins.set_global(plugin.id)
check(list(client.plugins.dump()), "dump")
client.plugins.delete(plugin.id, force=True)

# secrets
secret = has("secret", client.secrets.create("door", "sesame"), client.secrets.get("door"))
check(secret["value"] == "sesame", secret)
check("value" not in page("secret", client.secrets.list())[0], "a list shows no values")
check(client.secrets.update("door", "shut")["value"] == "shut", "update secret")
client.secrets.set_visibility("door", "tenant")
client.secrets.set_global("door")
exported = client.secrets.export(_passphrase="a long passphrase")
client.secrets.delete("door")
check(client.secrets.import_secrets(exported, passphrase="a long passphrase")["secrets_errors"] == {}, "import")
check([row["key"] for row in client.secrets.dump()] == ["door"], "dump")

# users, tenants, tokens
has("tenant", client.tenants.create("red"), client.tenants.get("red"))
page("tenant", client.tenants.list(_get_data=True))
has("user", client.users.create("ann", "anns-password", "default"), client.users.get("ann"), client.users.get_self())
page("user", client.users.list(_get_data=True))
client.tenants.add_user("ann", "red", "viewer")
client.tenants.update_user("ann", "red", "user")
check(real.tenants.get("red", _get_data=True)["users"]["ann"]["tenant-role"] == "user", "member")
check([row["name"] for row in client.tenants.dump()] == ["red"] or list(real.tenants.dump()), "dump")
check(list(client.users.dump()), "dump")
client.tenants.remove_user("ann", "red")
check(client.users.deactivate("ann")["active"] is False, "deactivate")
check(client.users.activate("ann")["active"] is True, "activate")
client.users.unlock("ann")
client.users.set_password("ann", "another-password")
client.users.set_show_getting_started("ann", False)
check(client.users.set_role("ann", "sys_admin")["role"] == "sys_admin", "role")
client.users.delete("ann")
client.tenants.delete("red")
token = has("token", client.tokens.create(description="mine", expiration="+1day"))
check(len(connect(token=token.value).blueprints.list()) == 1, "a token lets in")
has("token", client.tokens.get(token.id), *page("token", client.tokens.list()))
client.tokens.delete(token.id)
refused(404, "not_found_error", real.tokens.get, token.id)

# snapshots
made = has("execution", client.snapshots.create("one", include_credentials=True))
ended(made["id"])
has("snapshot", client.snapshots.get("one"), *page("snapshot", client.snapshots.list()))
client.snapshots.download("one", str(OUT / "one.zip"))
has("snapshot", client.snapshots.upload(str(OUT / "one.zip"), "two"))
client.snapshots.update_status("two", "uploaded")
check(client.snapshots.get_status()["status"] == "not-running", "snapshot status")
ended(has("execution", client.snapshots.restore("two", force=True))["id"])
client.snapshots.delete("two")

# maintenance mode, and the end
has("maintenance", client.maintenance_mode.status(), client.maintenance_mode.activate())
until(lambda: real.maintenance_mode.status()["status"] == "activated")
has("maintenance", client.maintenance_mode.deactivate())
client.deployments.delete("life", force=True)
until(lambda: not len(real.deployments.list()))
client.blueprints.delete("life")


def is_outside(name):
    return any(fnmatch.fnmatch(name, pattern) for pattern in OUTSIDE)


known = {f"{name}.{method}" for name, resource in resources_of(real) for method in methods_of(resource)}
check(called <= known, sorted(called - known))
left_out = sorted(name for name in known - called if not is_outside(name))
check(not left_out, f"covered by the contract and not called: {left_out}")
stale = [pattern for pattern in OUTSIDE if not any(fnmatch.fnmatch(name, pattern) for name in known - called)]
check(not stale, f"outside the contract, but called or not there: {stale}")
print(f"PASSED {checks} checks, {len(called)} of {len(known)} methods called")
