"""Runs inside the reference environment: answers, as JSON, what the reference makes of each scenario.

Started by `tests/integration/test_prepare_oracle.py` with a JSON list of scenarios on stdin. It imports the
reference parser only, nothing of this repository.
"""

import copy
import json
import sys

from dsl_parser import functions, multi_instance, parser, tasks

_check_functions, _requirements = functions.validate_functions, functions.find_requirements


class Missing(Exception):
    """What the reference takes for an HTTP 404."""

    status_code = 404


class Secret:
    def __init__(self, value):
        self.value = value


class Values:
    """Answers data-based constraints from plain data."""

    def __init__(self, data):
        self.data = data

    def has_deployment_id(self):
        return self.data["deployment"]

    def has_blueprint_id(self):
        return self.data["blueprint"]

    def get(self, type_name, value, **query):
        return self.data["found"] if value in self.data["found"] else []


class Storage:
    """Run-time facts from plain data."""

    def __init__(self, data):
        self.data = data
        self.secret_method = self.get_secret

    def get_input(self, name):
        return self.data["inputs"][name]

    def get_node(self, name):
        return next(node for node in self.data["nodes"] if node["id"] == name)

    def get_node_instances(self, name=None):
        return [item for item in self.data["instances"] if name is None or item["node_id"] == name]

    def get_node_instance(self, instance_id):
        return next(item for item in self.data["instances"] if item["id"] == instance_id)

    def get_secret(self, key):
        if key not in self.data["secrets"]:
            raise Missing(key)
        return Secret(self.data["secrets"][key])

    def get_capability(self, path):
        value = self.data["capabilities"][path[0]][path[1]]
        return functions.get_nested_attribute_value_of_capability(value, path)["value"]

    def get_label(self, key, index):
        values = self.data["labels"][key]
        return values if index is None else values[index]


def failure(error):
    return {"kind": type(error).__name__, "message": str(error)}


def prepare(scenario, plan):
    known = scenario.get("secrets")

    def get_secret(name):
        if name not in known:
            raise Missing(name)
        return name

    values = scenario.get("values")
    return tasks.prepare_deployment_plan(
        plan,
        get_secret_method=get_secret if known is not None else None,
        inputs=copy.deepcopy(scenario.get("inputs") or {}),
        runtime_only_evaluation=scenario.get("runtime_only", False),
        auto_correct_types=scenario.get("auto_correct", False),
        values_getter=Values(values) if values else None,
    )


def modify(scenario, prepared):
    # Through JSON, as stored: groups of one policy must not share their counts.
    nodes, groups = json.loads(json.dumps([prepared["nodes"], prepared["scaling_groups"]]))
    instances = copy.deepcopy(prepared["node_instances"])
    modified = copy.deepcopy(scenario["modify"])
    for change in modified.values():
        for key in ("removed_ids_include_hint", "removed_ids_exclude_hint"):
            # Hints are written as "node[position]", because ids are random.
            if key in change:
                change[key] = [named(item, instances) for item in change[key]]
    for node in nodes:
        if node["id"] in modified:
            node["capabilities"]["scalable"]["properties"]["current_instances"] = modified[node["id"]]["instances"]
    for name, group in groups.items():
        if name in modified:
            group["properties"]["current_instances"] = modified[name]["instances"]
    previous = copy.deepcopy(prepared["nodes"])
    result = multi_instance.modify_deployment(nodes, previous, instances, modified, groups)
    return {"modified": modified, "result": result}


def update(scenario, prepared):
    functions.validate_functions = functions.find_requirements = lambda plan: None
    new = tasks.prepare_deployment_plan(parser.parse(scenario["update"]), inputs={})
    previous, instances = copy.deepcopy(prepared["nodes"]), copy.deepcopy(prepared["node_instances"])
    nodes = copy.deepcopy(new["nodes"])
    result = multi_instance.modify_deployment(nodes, previous, instances, {}, new["scaling_groups"])
    return {"modified": {}, "result": result, "new": new}


def named(text, instances):
    name, position = text[:-1].split("[")
    return sorted(item["id"] for item in instances if item["node_id"] == name)[int(position)]


def answer(scenario):
    result = {"name": scenario["name"]}
    try:
        if "payload" in scenario:
            storage = Storage(scenario["storage"])
            evaluate = {"outputs": functions.evaluate_outputs, "capabilities": functions.evaluate_capabilities}
            if scenario.get("as") in evaluate:
                result["value"] = evaluate[scenario["as"]](scenario["payload"], storage)
            else:
                context = dict(scenario.get("context") or {})
                result["value"] = functions.evaluate_functions(scenario["payload"], context, storage)
            return result
        functions.validate_functions = functions.find_requirements = lambda plan: None
        plan = parser.parse(scenario["blueprint"])
        result["plan"] = copy.deepcopy(plan)
        functions.validate_functions, functions.find_requirements = _check_functions, _requirements
        _check_functions(plan)
        result["requirements"] = _requirements(plan)
        prepared = prepare(scenario, plan)
        result["prepared"] = copy.deepcopy(prepared)
        if "modify" in scenario:
            result.update(modify(scenario, prepared))
        if "update" in scenario:
            result.update(update(scenario, prepared))
    except Exception as error:  # noqa: BLE001 - the reference raises anything, and all of it is an answer
        result["error"] = failure(error)
    return result


json.dump([answer(scenario) for scenario in json.load(sys.stdin)], sys.stdout, default=str)
