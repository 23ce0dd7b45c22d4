"""`cloudify-manager plan`: a summary, JSON, or the errors and exit code 1."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from manager_core.plan_command import plan_command, read_inputs

GOOD = """tosca_definitions_version: cloudify_dsl_1_4
description: two nodes
imports: [cloudify/types/types.yaml]
inputs: {size: {type: integer, default: 2}, name: {}}
node_templates:
  host: {type: cloudify.nodes.Compute}
  app:
    type: cloudify.nodes.WebServer
    capabilities: {scalable: {properties: {default_instances: {get_input: size}}}}
    interfaces:
      cloudify.interfaces.lifecycle:
        create: {implementation: run.sh, inputs: {n: {get_input: name}, s: {get_secret: key}}}
    relationships: [{type: cloudify.relationships.contained_in, target: host}]
outputs: {o: {value: {get_input: name}}}
deployment_settings: {default_schedules: {nightly: {workflow: install, since: "+1d", recurrence: 1 day}}}
"""


def run(file: Path, **options: Any) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = plan_command(file, out=out, err=err, **options)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "run.sh").touch()
    path = tmp_path / "blueprint.yaml"
    path.write_text(GOOD)
    return path


def test_the_summary_names_what_matters(good: Path) -> None:
    """Inputs, nodes with their relationships and scripts, outputs, schedules, workflows, plugins, secrets."""
    code, out, err = run(good)
    assert (code, err) == (0, "")
    for text in ("two nodes", "size: integer, default 2", "app: cloudify.nodes.WebServer", "contained_in → host",
                 "run.sh", "o: ", "nightly", "workflows:", "secrets: key"):  # fmt: skip
        assert text in out


def test_the_json_is_the_plan(good: Path) -> None:
    """With the keys of the contract, and `prepared` only when inputs are given."""
    plan = json.loads(run(good, as_json=True)[1])
    assert {"nodes", "workflows", "inputs", "outputs", "capabilities", "labels", "deployment_settings"} <= set(plan)
    assert "prepared" not in plan
    prepared = json.loads(run(good, as_json=True, inputs=["name=x", "size=3"])[1])["prepared"]
    assert prepared["inputs"] == {"size": 3, "name": "x"}
    assert [item["node_id"] for item in prepared["node_instances"]].count("app") == 3
    assert prepared["outputs"]["o"]["value"] == "x"


def test_errors_go_to_stderr_with_file_and_line(good: Path) -> None:
    """Exit code 1; as JSON they are on stdout too."""
    good.write_text(GOOD.replace("cloudify.nodes.WebServer", "cloudify.nodes.WebServr"))
    code, out, err = run(good)
    assert (code, out) == (1, "")
    assert f"{good}:8:5: DSLParsingLogicException(7)" in err
    assert "did you mean 'cloudify.nodes.WebServer'?" in err
    errors = json.loads(run(good, as_json=True)[1])["errors"]
    assert errors[0]["line"] == 8
    assert errors[0]["suggestion"] == "cloudify.nodes.WebServer"


def test_a_missing_input_and_a_missing_file_are_errors(good: Path) -> None:
    """Exit code 1, one line each, no traceback."""
    code, _, err = run(good, inputs=["size=1"])
    assert code == 1
    assert "MissingRequiredInputError" in err
    code, _, err = run(good.with_name("nope.yaml"))
    assert code == 1
    assert "nope.yaml" in err
    assert run(good, blueprints=["x"])[0] == 1


def test_plugins_resources_and_blueprints_are_found(tmp_path: Path) -> None:
    """Each from where the option points."""
    (tmp_path / "plugins" / "tool" / "1.2").mkdir(parents=True)
    (tmp_path / "plugins" / "tool" / "1.2" / "plugin.yaml").write_text(
        "plugins: {tool: {executor: central_deployment_agent, package_name: tool}}\n"
    )
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "lib.yaml").write_text("inputs: {from_resources: {}}\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.yaml").write_text("tosca_definitions_version: cloudify_dsl_1_4\nimports: [near.yaml]\n")
    (tmp_path / "other" / "near.yaml").write_text("inputs: {from_blueprint: {}}\n")
    main = tmp_path / "main" / "m.yaml"
    main.parent.mkdir()
    main.write_text(
        "tosca_definitions_version: cloudify_dsl_1_4\nimports: ['plugin:tool', lib.yaml, 'x--blueprint:other']\n"
    )
    code, out, err = run(
        main,
        as_json=True,
        plugins=tmp_path / "plugins",
        resources=tmp_path / "resources",
        blueprints=[f"other={tmp_path / 'other' / 'b.yaml'}"],
    )
    assert (code, err) == (0, "")
    plan = json.loads(out)
    assert list(plan["inputs"]) == ["from_resources", "x--from_blueprint"]
    assert plan["imported_blueprints"] == ["other"]


def test_inputs_are_read_in_every_form(tmp_path: Path) -> None:
    """name=value with a YAML value, a mapping, a file; later ones win."""
    (tmp_path / "in.yaml").write_text("a: 1\nb: [x]\n")
    assert read_inputs([str(tmp_path / "in.yaml"), "a=2", "{c: {d: true}}", "e=a=b", "f="]) == {
        "a": 2, "b": ["x"], "c": {"d": True}, "e": "a=b", "f": ""
    }  # fmt: skip
    (tmp_path / "list.yaml").write_text("[1]\n")
    with pytest.raises(ValueError, match="mapping"):
        read_inputs([str(tmp_path / "list.yaml")])
