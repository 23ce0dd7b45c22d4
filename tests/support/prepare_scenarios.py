"""Blueprints, inputs and run-time facts on which our preparation and the reference's have to agree."""

from __future__ import annotations

import random
import textwrap
from typing import Any

HEAD = """
tosca_definitions_version: cloudify_dsl_1_5
plugins: {p: {executor: central_deployment_agent, install: false}}
node_types:
  t: {properties: {p: {default: null}, q: {default: null}, r: {default: null}}}
  cloudify.nodes.Compute: {properties: {p: {default: null}, q: {default: null}, r: {default: null}}}
relationships:
  cloudify.relationships.depends_on: {properties: {connection_type: {default: all_to_all}}}
  cloudify.relationships.connected_to: {derived_from: cloudify.relationships.depends_on}
  cloudify.relationships.contained_in: {derived_from: cloudify.relationships.depends_on}
  stray: {properties: {connection_type: {default: all_to_all}}}
"""
IN = "{type: cloudify.relationships.contained_in, target: %s}"
TO = "{type: cloudify.relationships.connected_to, target: %s}"
TO_ONE = "{type: cloudify.relationships.connected_to, target: %s, properties: {connection_type: all_to_one}}"


def blueprint(name: str, body: str, **options: Any) -> dict[str, Any]:
    """One scenario: a blueprint on top of a few types."""
    return {"name": name, "blueprint": HEAD + textwrap.dedent(body), **options}


def value(name: str, expression: str, **options: Any) -> dict[str, Any]:
    """One scenario: a node property with `expression` in it, beside plenty of inputs and another node."""
    body = f"""
    inputs:
      n: {{default: 5}}
      s: {{default: abc}}
      other: {{default: n}}
      l: {{default: [a, b]}}
      d: {{default: {{k: [1, 2], f: {{get_input: n}}}}}}
      nothing: {{required: false}}
      fn: {{default: {{get_secret: pw}}}}
      nested: {{default: {{a: {{get_input: fn}}, b: [{{concat: [x, {{get_input: n}}]}}]}}}}
    node_templates:
      a: {{type: t, properties: {{p: {expression}, r: 2}}}}
      b:
        type: t
        properties: {{p: {{get_property: [SELF, r]}}, q: {{k: [7, 8], s: {{get_property: [SELF, r]}}}}, r: 9}}
    """
    return blueprint(name, body, secrets=["pw", "s", "d", "abc"], **options)


def given(name: str, schema: str, *values: Any, **options: Any) -> dict[str, Any]:
    """One scenario: one input with a schema, given or not."""
    body = f"""
    data_types:
      d: {{properties: {{x: {{type: integer, default: 1}}, y: {{type: string, default: abc}}}}}}
      e: {{properties: {{x: {{type: integer}}, z: {{type: d}}, o: {{required: false}}}}}}
      f: {{derived_from: d, properties: {{w: {{type: d, default: {{y: own}}}}}}}}
    inputs: {{i: {schema}}}
    """
    return blueprint(name, body, inputs={"i": values[0]} if values else {}, **options)


VALUES = [
    "{concat: [a, 1, true, null, [1, b], {x: y}]}",
    "{concat: []}",
    "{concat: [a, {get_attribute: [SELF, x]}]}",
    "{concat: x}",
    "{concat: [a, {concat: [b, {get_input: n}]}]}",
    "{merge: [{a: 1}, {b: {concat: [x]}}, {a: 2}]}",
    "{merge: [{a: 1}, {get_attribute: [SELF, x]}]}",
    "{merge: [{get_input: d}, {z: 1}]}",
    "{merge: [{a: 1}, 3]}",
    "{merge: x}",
    "{string_find: [abc, c]}",
    "{string_find: [abc]}",
    "{string_find: [1, b]}",
    "{string_find: [{get_input: n}, b]}",
    "{string_replace: [abcb, b, x]}",
    "{string_replace: [abcb, b, x, 1]}",
    '{string_replace: [abcb, b, x, "1"]}',
    "{string_split: [a.b.c, .]}",
    "{string_split: [a.b.c, ., -1]}",
    "{string_split: [a.b.c, ., {get_input: s}]}",
    "{string_lower: ABC}",
    "{string_upper: {get_input: s}}",
    "{string_upper: {get_input: n}}",
    "{string_upper: [a]}",
    "{string_lower: {get_attribute: [SELF, x]}}",
    "{get_input: n}",
    "{get_input: n, type: integer}",
    "{get_input: s, type: integer}",
    "{get_input: fn, type: integer}",
    "{get_input: fn, type: dict}",
    "{get_attribute: [zz, {get_input: s}]}",
    "{get_attributes_list: [zz, {get_input: s}]}",
    "{string_upper: {get_input: s, type: string}}",
    "{get_input: [d, k, 0]}",
    '{get_input: [d, k, "0"]}',
    "{get_input: [d, zz]}",
    "{get_input: [d, k, 7]}",
    "{get_input: [d, k, -1]}",
    "{get_input: [s, k]}",
    "{get_input: [d, f]}",
    "{get_input: []}",
    "{get_input: 3}",
    "{get_input: {get_input: other}}",
    "{get_input: nosuch}",
    "{get_input: {concat: [no, such]}}",
    "{get_input: {get_attribute: [SELF, x]}}",
    "{get_input: nothing}",
    "{get_input: fn}",
    "{get_input: nested}",
    "{get_property: [SELF, r]}",
    "{get_property: [b, p]}",
    "{get_property: [b, q]}",
    "{get_property: [b, q, k, 1]}",
    "{get_property: [b, q, k, 9]}",
    "{get_property: [b, q, k, x]}",
    "{get_property: [b, r, x]}",
    "{get_property: [b, nope]}",
    "{get_property: [zz, r]}",
    "{get_property: [SOURCE, r]}",
    "{get_property: [SELF]}",
    "{get_property: [SELF, p]}",
    "{get_property: [{concat: [b]}, r]}",
    "{get_property: [b, {get_attribute: [SELF, x]}]}",
    "{get_attribute: [a, x]}",
    "{get_attribute: [a]}",
    "{get_attribute: [zz, x]}",
    "{get_attribute: [TARGET, x]}",
    "{get_attribute: [b, {get_input: s}]}",
    "{get_attributes_list: [a, x]}",
    "{get_attributes_list: [zz, x]}",
    "{get_attributes_dict: [a, x, [y, z]]}",
    "{get_attributes_dict: [a, y.z, [y, z]]}",
    "{get_secret: pw}",
    "{get_secret: nosuch}",
    "{get_secret: [d, k]}",
    "{get_secret: [d]}",
    "{get_secret: {get_input: s}}",
    "{get_secret: {get_attribute: [SELF, x]}}",
    "{get_capability: [x, c, 0]}",
    "{get_capability: [x]}",
    "{get_capability: [{get_input: s}, c]}",
    "{get_capability: [x, {a: b}]}",
    "{get_group_capability: [g, [c1, c2], k]}",
    "{get_group_capability: [g]}",
    "{get_environment_capability: c}",
    "{get_environment_capability: [c]}",
    "{get_environment_capability: [c, {get_input: s}]}",
    "{get_label: k}",
    "{get_label: [k, x]}",
    "{get_label: [k]}",
    "{get_sys: [tenant, name]}",
    "{get_sys: [tenant, x]}",
    "{get_sys: [x, y]}",
    "{get_consumers: ids}",
    "{get_consumers: zz}",
    "{nosuch: [{get_input: n}]}",
    "{concat: [a], foo: b}",
    "{concat: [a], type: b}",
    "{get_input: n, concat: [a]}",
    "[" * 49 + "1" + "]" * 49,
    "{concat: [a, " * 24 + "x" + "]}" * 24,
]

TOO_DEEP = ["[" * 50 + "1" + "]" * 50, "{concat: [a, " * 25 + "x" + "]}" * 25]
"""Come last: the reference counts one level more for ever after each refusal."""

INPUTS: list[tuple[str, tuple[Any, ...]]] = [
    ("{constraints: [{equal: 5}]}", (6,)),
    ("{constraints: [{equal: 5}]}", (5,)),
    ("{constraints: [{in_range: [1, 5]}]}", (7,)),
    ("{constraints: [{in_range: [1, 5]}]}", ("x",)),
    ("{constraints: [{valid_values: [1, a]}]}", ("a",)),
    ("{constraints: [{valid_values: [1, a]}]}", (7,)),
    ("{constraints: [{length: 3}]}", (7,)),
    ("{constraints: [{min_length: 3}]}", ("ab",)),
    ('{constraints: [{pattern: "a+"}]}', ("aab",)),
    ('{constraints: [{pattern: "a+"}]}', ("ba",)),
    ('{constraints: [{pattern: "a+"}]}', (3,)),
    ("{constraints: [{greater_than: 3}, {less_than: 9}]}", (10,)),
    ("{constraints: [{greater_than: 3, error_message: too small}]}", (1,)),
    ("{constraints: [{name_pattern: {contains: x}}]}", ("x",)),
    ("{type: list, item_type: integer, constraints: [{greater_than: 3}]}", ([4, 1],)),
    ("{type: list, item_type: integer}", ([4, "x"],)),
    ("{type: list, constraints: [{min_length: 2}]}", ([1],)),
    ("{type: integer, constraints: [{greater_than: 3}]}", ({"get_secret": "x"},)),
    ("{type: integer}", ({"get_secret": "x"},)),
    ("{type: integer}", ("x",)),
    ("{type: integer}", (True,)),
    ("{type: float}", (3,)),
    ("{type: boolean}", ("true",)),
    ("{type: regex}", ("(",)),
    ("{type: string}", (None,)),
    ("{type: integer}", (None,)),
    ("{required: false, type: integer}", ()),
    ("{required: false, type: integer}", (None,)),
    ("{default: null}", ()),
    ("{default: 5}", (None,)),
    ("{default: 5}", ()),
    ("{}", ()),
    ("{type: d}", ()),
    ("{type: e}", ()),
    ("{type: e}", ({"x": 1},)),
    ("{type: e}", ({"x": 1, "q": 2},)),
    ("{type: e}", ({"x": "a"},)),
    ("{type: e}", ({"x": 1, "z": {"x": 5}},)),
    ("{type: e}", ({"x": 1, "z": {"k": 5}},)),
    ("{type: e}", ({"x": None},)),
    ("{type: e}", (5,)),
    ("{type: e}", ({"get_secret": "a"},)),
    ("{type: e}", ({"x": {"get_secret": "a"}},)),
    ("{type: f}", ()),
    ("{type: f}", ({"w": {"x": 7}},)),
    ("{type: e, required: false}", ()),
    ("{type: e, default: {x: 4}}", ()),
    ("{type: d, default: {x: 4}}", ({"y": "q"},)),
]

_NODE_ID = {"deployment": False, "blueprint": True, "found": ["a"]}
_RUNNING = {"deployment": True, "blueprint": False, "found": ["a"]}
_NOWHERE = {"deployment": False, "blueprint": False, "found": ["a"]}
OBJECTS: list[tuple[str, Any, Any]] = [
    ("{type: blueprint_id}", "a", _NODE_ID),
    ("{type: blueprint_id}", "b", _NODE_ID),
    ("{type: deployment_id, constraints: [{labels: [{x: y}]}]}", "a", _NODE_ID),
    ("{type: secret_key, constraints: [{valid_values: [b]}]}", "a", _NODE_ID),
    ("{type: secret_key, constraints: [{labels: [{x: y}]}]}", "a", _NODE_ID),
    ("{type: node_id}", "anything", _NODE_ID),
    ("{type: node_id}", "b", _RUNNING),
    ("{type: node_id}", "a", _RUNNING),
    ("{type: node_id}", "a", _NOWHERE),
    ("{type: node_id, constraints: [{name_pattern: {contains: x}}]}", "b", _NODE_ID),
    ("{type: node_type, constraints: [{deployment_id: x}]}", "a", _NOWHERE),
    ("{type: capability_value}", "a", _NODE_ID),
    ("{type: capability_value, constraints: [{deployment_id: x}]}", "a", _NODE_ID),
    ("{type: node_instance}", "a", _RUNNING),
    ("{type: scaling_group, constraints: [{valid_values: [a]}]}", "b", _NODE_ID),
    ("{type: operation_name, constraints: [{equal: 5}]}", "a", _NODE_ID),
    ("{type: list, item_type: node_id, constraints: [{valid_values: [a]}]}", ["a", "b"], _NODE_ID),
    ("{type: list, item_type: blueprint_id}", ["a"], _NODE_ID),
]

_OPERATIONS = """
inputs: {i: {default: {get_attribute: [b, x]}}, dep: {default: there}}
node_templates:
  a:
    type: t
    instances: {deploy: 2}
    properties:
      p: {get_attribute: [SELF, z]}
      q: {x: {get_attribute: [SELF, z]}, c: [{concat: [a, {get_capability: [{get_input: dep}, c]}]}]}
      r: {get_property: [b, p]}
    interfaces:
      f:
        o1: {implementation: p.x, inputs: {a: {get_property: [SELF, p]}}}
        o2: {implementation: p.x, inputs: {a: {get_property: [SELF, q]}}}
        o3: {implementation: p.x, inputs: {a: {get_property: [b, q]}}}
        o4: {implementation: p.x, inputs: {a: {concat: [x, {get_property: [b, p]}]}}}
        o5: {implementation: p.x, inputs: {a: {get_input: i}}}
        o6: {implementation: p.x, inputs: {a: {concat: [x, y]}}}
        o7: {implementation: p.x, inputs: {a: {get_capability: [{get_attribute: [SELF, x]}, p]}}}
      g:
        o6: {implementation: p.x, inputs: {a: {get_secret: pw}}}
    relationships:
      - type: cloudify.relationships.connected_to
        target: b
        source_interfaces:
          g: {s: {implementation: p.y, inputs: {a: {get_property: [TARGET, p]}, b: {get_property: [SOURCE, q]}}}}
        target_interfaces:
          g: {s: {implementation: p.y, inputs: {a: {get_capability: [{get_attribute: [TARGET, y]}, p]}, b: plain}}}
  b: {type: t, properties: {p: {get_attribute: [SELF, z]}, q: {x: {get_property: [SELF, r]}}, r: 4}}
outputs:
  o: {value: {get_capability: [{get_secret: pw}, c]}, description: text}
  n: {value: {get_capability: [{get_capability: [m, n]}, c]}}
  e: {value: {get_environment_capability: [c, d]}}
capabilities: {o: {value: {get_property: [b, r]}}}
labels: {l: {values: [{concat: [a, {get_input: dep}]}, plain]}}
deployment_settings: {display_name: {concat: [x-, {get_input: dep}]}, default_groups: [{get_input: dep}]}
"""

_GROUPS = f"""
inputs: {{count: {{default: 2}}}}
node_templates:
  host:
    type: cloudify.nodes.Compute
    capabilities: {{scalable: {{properties: {{default_instances: {{get_input: count}}}}}}}}
  app: {{type: t, instances: {{deploy: 2}}, relationships: [{IN % "host"}, {TO % "db"}]}}
  db: {{type: t, relationships: [{IN % "host"}]}}
  web: {{type: t, instances: {{deploy: 3}}, relationships: [{TO % "app"}, {TO_ONE % "single"}]}}
  single: {{type: t, instances: {{deploy: 2}}}}
  zero: {{type: t, instances: {{deploy: 0}}, relationships: [{TO % "web"}]}}
groups: {{g: {{members: [app, db]}}, w: {{members: [web]}}, outer: {{members: [w]}}}}
policies:
  ps: {{type: cloudify.policies.scaling, targets: [g], properties: {{default_instances: 2}}}}
  pw: {{type: cloudify.policies.scaling, targets: [w, outer], properties: {{default_instances: {{get_input: count}}}}}}
"""

PLANS = [
    blueprint("operations", _OPERATIONS, secrets=["pw"]),
    blueprint("operations left for run time", _OPERATIONS, secrets=["pw"], runtime_only=True),
    blueprint("secrets without a source of secrets", _OPERATIONS),
    blueprint("several secrets missing", _OPERATIONS, secrets=[]),
    blueprint("groups", _GROUPS),
    blueprint("groups with other counts", _GROUPS, inputs={"count": 3}),
    blueprint("count that is no number", _GROUPS, inputs={"count": "x"}),
    blueprint("missing and unknown inputs", "inputs: {i: {}, j: {type: integer}}\n", inputs={"k": 1}),
    blueprint("unknown input", "inputs: {i: {default: 1}}\n", inputs={"k": 1}),
    blueprint(
        "corrected types",
        "inputs: {i: {type: integer}, j: {type: float}, k: {type: boolean}, n: {type: string}}\n",
        inputs={"i": "5", "j": "1.5", "k": "true", "n": 5},
        auto_correct=True,
    ),
    blueprint("uncorrectable type", "inputs: {k: {type: boolean}}\n", inputs={"k": "TRUE"}, auto_correct=True),
    blueprint(
        "stray relationship",
        "node_templates: {b: {type: t}, a: {type: t, relationships: [{type: stray, target: b}]}}\n",
    ),
    blueprint(
        "unknown connection type",
        "node_templates: {b: {type: t}, a: {type: t, relationships: [{type: cloudify.relationships.connected_to, "
        "target: b, properties: {connection_type: some}}]}}\n",
    ),
    blueprint(
        "all_to_one inside a group",
        f"""
        node_templates: {{b: {{type: t}}, a: {{type: t, relationships: [{TO_ONE % "b"}]}}}}
        groups: {{g: {{members: [a, b]}}}}
        policies: {{g: {{type: cloudify.policies.scaling, targets: [g]}}}}
        """,
    ),
    blueprint(
        "two relationships with one target",
        f"node_templates: {{b: {{type: t}}, a: {{type: t, relationships: [{TO % 'b'}, "
        "{type: cloudify.relationships.depends_on, target: b}]}}\n",
    ),
    blueprint(
        "deep containment",
        f"""
        node_templates:
          a: {{type: cloudify.nodes.Compute, instances: {{deploy: 2}}}}
          b: {{type: t, instances: {{deploy: 3}}, relationships: [{IN % "a"}]}}
          c: {{type: t, instances: {{deploy: 2}}, relationships: [{IN % "b"}, {TO % "a"}]}}
        groups: {{g: {{members: [b, c]}}, h: {{members: [g]}}}}
        policies:
          g: {{type: cloudify.policies.scaling, targets: [g, h], properties: {{default_instances: 2}}}}
        """,
    ),
    blueprint(
        "scopes of keywords",
        "node_templates: {a: {type: t}}\ncapabilities: {c: {value: {get_attribute: [SELF, x]}}}\n",
    ),
    blueprint(
        "attribute of SELF in outputs",
        "node_templates: {a: {type: t}}\noutputs: {c: {value: {get_attribute: [SELF, x]}}}\n",
    ),
    *(
        blueprint(
            f"{function} of {keyword} in {section}",
            f"node_templates: {{a: {{type: t}}}}\n{section}: {{c: {{value: {{{function}: [{keyword}, x]}}}}}}\n",
        )
        for function in ("get_attributes_list", "get_attributes_dict")
        for keyword in ("SELF", "TARGET")
        for section in ("outputs", "capabilities")
    ),
    blueprint(
        "property of SELF in outputs",
        "node_templates: {a: {type: t}}\noutputs: {c: {value: {get_property: [SELF, x]}}}\n",
    ),
    blueprint(
        "a path through a call, before it is evaluated",
        """
        inputs: {i: {default: [7, 8, 9]}}
        node_templates:
          a: {type: t, properties: {p: {get_property: [b, q, 1]}, q: {get_property: [b, q, 1, 0]}}}
          b: {type: t, properties: {q: {get_input: i}}}
        """,
    ),
    blueprint(
        "a path through a call, after it was evaluated",
        """
        inputs: {i: {default: {k: {z: 5}}}}
        node_templates:
          b: {type: t, properties: {q: {get_input: i}}}
          a: {type: t, properties: {p: {get_property: [b, q, k]}}}
        """,
    ),
]


def random_topology(seed: int) -> dict[str, Any]:
    """One scenario: nodes contained in, connected to and grouped with each other as the seed has it."""
    dice = random.Random(seed)
    number = dice.randint(2, 7)
    container: dict[int, int] = {}
    lines = ["node_templates:"]
    for index in range(number):
        relationships = []
        if index and dice.random() < 0.5:
            container[index] = dice.randrange(index)
            relationships.append(IN % f"n{container[index]}")
        targets = [target for target in range(index) if container.get(index) != target and dice.random() < 0.35]
        relationships.extend(TO % f"n{target}" for target in targets)
        kind = "cloudify.nodes.Compute" if dice.random() < 0.4 else "t"
        lines.append(
            f"  n{index}: {{type: {kind}, instances: {{deploy: {dice.randint(0, 3)}}}, "
            f"relationships: [{', '.join(relationships)}]}}"
        )
    lines.extend(_random_groups(dice, number, container))
    return {"name": f"random topology {seed}", "blueprint": HEAD + "\n".join(lines) + "\n"}


def _random_groups(dice: random.Random, number: int, container: dict[int, int]) -> list[str]:
    """Group brothers, and groups of brothers, each member in one group."""
    groups: dict[str, tuple[list[str], int | None]] = {}
    for name in [f"g{position}" for position in range(dice.randint(0, 3))]:
        taken = {member for members, _ in groups.values() for member in members}
        home = dice.choice([None, *container.values()])
        free = [f"n{index}" for index in range(number) if container.get(index) == home and f"n{index}" not in taken]
        members = [member for member in free if dice.random() < 0.7]
        members += [other for other, (_, place) in groups.items() if place == home and other not in taken][:1]
        if members:
            groups[name] = (members, home)
    if not groups:
        return []
    scaling = "{type: cloudify.policies.scaling, targets: [%s], properties: {default_instances: %d}}"
    return [
        "groups:",
        *(f"  {name}: {{members: [{', '.join(members)}]}}" for name, (members, _) in groups.items()),
        "policies:",
        *(f"  p{name}: {scaling % (name, dice.randint(0, 3))}" for name in groups),
    ]


def _modify(name: str, modified: dict[str, Any], body: str = _GROUPS, **options: Any) -> dict[str, Any]:
    return blueprint(f"modify: {name}", body, modify=modified, **options)


_PLAIN = f"""
node_templates:
  h: {{type: cloudify.nodes.Compute, instances: {{deploy: 2}}}}
  a: {{type: t, instances: {{deploy: 2}}, relationships: [{IN % "h"}, {TO % "b"}]}}
  b: {{type: t}}
  c: {{type: t, relationships: [{TO % "a"}, {TO_ONE % "b"}]}}
"""
_ONE_GROUP = f"""
node_templates:
  web: {{type: t, instances: {{deploy: 2}}, relationships: [{TO % "db"}]}}
  db: {{type: t}}
groups: {{w: {{members: [web, db]}}}}
policies: {{pw: {{type: cloudify.policies.scaling, targets: [w], properties: {{default_instances: 3}}}}}}
"""
MODIFICATIONS = [
    _modify("one more contained", {"a": {"instances": 3}}, _PLAIN),
    _modify("one more container", {"h": {"instances": 3}}, _PLAIN),
    _modify("one less container", {"h": {"instances": 1, "removed_ids_include_hint": ["h[1]"]}}, _PLAIN),
    _modify(
        "one less contained",
        {"a": {"instances": 1, "removed_ids_include_hint": ["a[0]", "a[1]", "a[2]", "a[3]"]}},
        _PLAIN,
        free_choice=True,
    ),
    _modify("none left", {"b": {"instances": 0}}, _PLAIN),
    _modify("excluded but needed", {"h": {"instances": 0, "removed_ids_exclude_hint": ["h[0]"]}}, _PLAIN),
    _modify("exclude hint", {"h": {"instances": 1, "removed_ids_exclude_hint": ["h[0]"]}}, _PLAIN),
    _modify(
        "both hints",
        {"h": {"instances": 1, "removed_ids_include_hint": ["h[0]"], "removed_ids_exclude_hint": ["h[0]"]}},
        _PLAIN,
    ),
    _modify("target kept", {"b": {"instances": 3}}, _PLAIN),
    _modify("two at once", {"b": {"instances": 2}, "c": {"instances": 3}}, _PLAIN),
    _modify("nothing", {"b": {"instances": 1}}, _PLAIN),
    _modify("a group grows", {"g": {"instances": 3}}),
    _modify(
        "a group shrinks by member hint", {"w": {"instances": 2, "removed_ids_include_hint": ["web[0]"]}}, _ONE_GROUP
    ),
    _modify(
        "a group shrinks but for members",
        {"w": {"instances": 1, "removed_ids_exclude_hint": ["web[2]"]}},
        _ONE_GROUP,
    ),
    _modify("groups shrink in every parent", {"w": {"instances": 1}}, free_choice=True),
    _modify("a nested group grows", {"outer": {"instances": 3}}),
    _modify("a member grows", {"app": {"instances": 3}}),
    _modify("the host of groups grows", {"host": {"instances": 3}}),
    _modify("the host of groups shrinks", {"host": {"instances": 1, "removed_ids_exclude_hint": ["host[0]"]}}),
    _modify("from zero", {"zero": {"instances": 2}}),
    _modify("group to zero", {"outer": {"instances": 0}}),
]

_UPDATED = {
    "a target changes": f"""
node_templates:
  h: {{type: cloudify.nodes.Compute, instances: {{deploy: 2}}}}
  a: {{type: t, instances: {{deploy: 2}}, relationships: [{IN % "h"}, {TO % "d"}]}}
  b: {{type: t}}
  d: {{type: t, instances: {{deploy: 2}}}}
""",
    "nodes come into a container": f"""
node_templates:
  h: {{type: cloudify.nodes.Compute, instances: {{deploy: 2}}}}
  a: {{type: t, instances: {{deploy: 2}}, relationships: [{IN % "h"}, {TO % "b"}]}}
  b: {{type: t}}
  c: {{type: t, relationships: [{TO % "a"}, {TO_ONE % "b"}]}}
  e: {{type: t, instances: {{deploy: 3}}, relationships: [{IN % "a"}, {TO % "c"}]}}
""",
    "a container goes": """
node_templates:
  b: {type: t}
""",
    "a count grows": _PLAIN.replace("b: {type: t}", "b: {type: t, instances: {deploy: 3}}"),
    "a count shrinks on its own": _PLAIN.replace(
        "h: {type: cloudify.nodes.Compute, instances: {deploy: 2}}", "h: {type: cloudify.nodes.Compute}"
    ),
    "an all_to_one target is exchanged": _PLAIN.replace("properties: {connection_type: all_to_one}", ""),
    "nothing changes": _PLAIN,
}
UPDATES = [blueprint(f"update: {name}", _PLAIN, update=HEAD + textwrap.dedent(body)) for name, body in _UPDATED.items()]


def _instance(
    instance_id: str, node: str, index: int, *relationships: tuple[str, str, str], groups: Any = (), **runtime: Any
) -> dict[str, Any]:
    return {
        "id": instance_id,
        "node_id": node,
        "index": index,
        "relationships": [
            {"type": kind, "target_name": name, "target_id": target} for kind, name, target in relationships
        ],
        "scaling_groups": [{"name": name, "id": group} for name, group in groups],
        "runtime_properties": runtime,
    }


_CONTAINED = ["cloudify.relationships.depends_on", "cloudify.relationships.contained_in", "c"]
STORAGE: dict[str, Any] = {
    "nodes": [
        {
            "id": "a",
            "name": "a",
            "properties": {
                "r": 2,
                "p": {"get_attribute": ["b", "z"]},
                "deep": {"x": {"get_attribute": ["SELF", "own"]}},
            },
            "relationships": [{"target_id": "h", "type": "c", "type_hierarchy": _CONTAINED}],
        },
        {
            "id": "b",
            "name": "b",
            "properties": {"q": {"get_attribute": ["SELF", "own"]}, "r": 9, "nest": {"k": 5}},
            "relationships": [],
        },
        {"id": "h", "name": "h", "properties": {}, "relationships": []},
        {"id": "z", "name": "z", "properties": {}, "relationships": []},
        {"id": "one", "name": "one", "properties": {"k": "v"}, "relationships": []},
    ],
    "instances": [
        _instance("a_1", "a", 1, ("c", "h", "h_1"), ("x", "b", "b_2"), own="A1"),
        _instance("a_2", "a", 2, ("c", "h", "h_2"), own="A2"),
        _instance(
            "b_1",
            "b",
            1,
            groups=[("g", "g_1")],
            own="B1",
            z="zb1",
            fn={"concat": ["x", "y"]},
            n=None,
            m={"k": {"concat": ["u", "v"]}},
            l=[1, 2],
        ),
        _instance("b_2", "b", 2, groups=[("g", "g_2")], own="B2", z="zb2"),
        _instance("h_1", "h", 1, groups=[("g", "g_1")]),
        _instance("h_2", "h", 2, groups=[("g", "g_2")], own="H2"),
        _instance("one_1", "one", 1, ip="1.2.3.4"),
    ],
    "inputs": {"i": {"get_attribute": ["h", "own"]}, "s": "lit", "d": {"k": {"get_secret": "pw"}}},
    "secrets": {"pw": "secret", "js": '{"a": {"b": [1, 2]}}'},
    "capabilities": {"d": {"x": {"y": [1, 2]}, "s": "t"}},
    "labels": {"k": ["v1", "v2"]},
}

EVALUATIONS: list[tuple[Any, dict[str, str]]] = [
    ({"get_attribute": ["one", "ip"]}, {}),
    ({"get_attribute": ["one", "k"]}, {}),
    ({"get_attribute": ["a", "own"]}, {}),
    ({"get_attribute": ["SELF", "own"]}, {"self": "a_1"}),
    ({"get_attribute": ["SELF", "own"]}, {}),
    ({"get_attribute": ["SOURCE", "own"]}, {"source": "a_1", "target": "b_1"}),
    ({"get_attribute": ["TARGET", "own"]}, {"source": "a_1", "target": "b_1"}),
    ({"get_attribute": ["b", "own"]}, {"self": "a_1"}),
    ({"get_attribute": ["b", "own"]}, {"self": "a_2"}),
    ({"get_attribute": ["b", "own"]}, {"self": "h_1"}),
    ({"get_attribute": ["b", "own"]}, {"source": "a_2", "target": "h_1"}),
    ({"get_attribute": ["h", "own"]}, {"self": "a_1"}),
    ({"get_attribute": ["a", "own"]}, {"self": "a_2"}),
    ({"get_attribute": ["z", "own"]}, {}),
    ({"get_attribute": ["nosuch", "own"]}, {}),
    ({"get_attribute": ["SELF", "node_instance_id"]}, {"self": "a_2"}),
    ({"get_attribute": ["SELF", "node_instance_index"]}, {"self": "a_2"}),
    ({"get_attribute": ["SELF", "r"]}, {"self": "a_2"}),
    ({"get_attribute": ["SELF", "nope", "x"]}, {"self": "a_2"}),
    ({"get_attribute": ["SELF", "p"]}, {"self": "a_1"}),
    ({"get_attribute": ["SELF", "deep", "x"]}, {"self": "a_1"}),
    ({"get_attribute": ["SELF", "q"]}, {"self": "b_1"}),
    ({"get_attribute": ["b", "q"]}, {"self": "a_1"}),
    ({"get_attribute": ["SELF", "fn"]}, {"self": "b_1"}),
    ({"get_attribute": ["SELF", "m"]}, {"self": "b_1"}),
    ({"get_attribute": ["SELF", "m", "k"]}, {"self": "b_1"}),
    ({"get_attribute": ["SELF", "l", 1]}, {"self": "b_1"}),
    ({"get_attribute": ["SELF", "l", 7]}, {"self": "b_1"}),
    ({"get_attribute": ["SELF", "l", "x"]}, {"self": "b_1"}),
    ({"get_attribute": ["SELF", {"get_attribute": ["SELF", "own"]}]}, {"self": "a_1"}),
    ({"get_attributes_list": ["b", "own"]}, {}),
    ({"get_attributes_list": ["b", "l", 0]}, {}),
    ({"get_attributes_list": ["z", "r"]}, {}),
    ({"get_attributes_dict": ["b", "own", ["m", "k"], ["nest", "k"]]}, {}),
    ({"get_attributes_dict": ["b", "node_instance_id", "nope"]}, {}),
    ({"get_secret": "pw"}, {}),
    ({"get_secret": ["js", "a", "b", 1]}, {}),
    ({"get_secret": ["pw", "a"]}, {}),
    ({"get_secret": ["js", "zz"]}, {}),
    ({"get_secret": ["js", "a", "b", 9]}, {}),
    ({"get_capability": ["d", "x", "y", 1]}, {}),
    ({"get_capability": ["d", "x", "y", 7]}, {}),
    ({"get_capability": ["d", "x", "zz"]}, {}),
    ({"get_capability": ["d", "s", "q"]}, {}),
    ({"get_label": "k"}, {}),
    ({"get_label": ["k", "1"]}, {}),
    ({"get_input": "i"}, {"self": "a_2"}),
    ({"get_input": ["d", "k"]}, {}),
    ({"get_input": "d"}, {}),
    ({"concat": ["a", {"get_attribute": ["SELF", "own"]}]}, {"self": "a_1"}),
    ({"concat": ["a", {"get_attribute": ["SELF", "nope"]}]}, {"self": "a_1"}),
    ({"string_upper": {"get_attribute": ["SELF", "own"]}}, {"self": "b_1"}),
    ({"merge": [{"get_attribute": ["SELF", "m"]}, {"a": 1}]}, {"self": "b_1"}),
    ([{"concat": ["a", "b"]}], {}),
    ({"plain": 1}, {}),
]

OUTPUTS = {
    "ok": {"value": {"get_attribute": ["one", "ip"]}},
    "several": {"value": {"get_attribute": ["h", "own"]}},
    "none": {"value": {"get_attribute": ["z", "x"]}},
    "inside": {"value": {"concat": ["a", {"get_attribute": ["z", "x"]}]}},
    "secret": {"value": {"get_secret": "no"}},
    "in secret": {"value": {"get_secret": ["no", "a"]}},
    "known": {"value": {"get_secret": "pw"}},
    "plain": {"value": 3},
}


def scenarios() -> list[dict[str, Any]]:
    """Every scenario, each with a name of its own."""
    return [
        *(value(f"value {expression[:80]} ({number})", expression) for number, expression in enumerate(VALUES)),
        *(given(f"input {schema} <- {values!r}", schema, *values) for schema, values in INPUTS),
        *(
            given(f"object {schema} <- {item!r} ({number})", schema, item, values=source)
            for number, (schema, item, source) in enumerate(OBJECTS)
        ),
        *PLANS,
        *(random_topology(seed) for seed in range(40)),
        *MODIFICATIONS,
        *UPDATES,
        *(
            {
                "name": f"evaluate {payload} in {context}",
                "payload": {"v": payload},
                "context": context,
                "storage": STORAGE,
            }
            for payload, context in EVALUATIONS
        ),
        {"name": "outputs", "payload": OUTPUTS, "as": "outputs", "storage": STORAGE},
        {
            "name": "capabilities",
            "payload": {"a": {"value": {"get_secret": "no"}}, "b": OUTPUTS["ok"]},
            "as": "capabilities",
            "storage": STORAGE,
        },
        {
            "name": "capability of no instance",
            "payload": {"b": OUTPUTS["none"]},
            "as": "capabilities",
            "storage": STORAGE,
        },
        *(value(f"too deep ({number})", expression) for number, expression in enumerate(TOO_DEEP)),
    ]
