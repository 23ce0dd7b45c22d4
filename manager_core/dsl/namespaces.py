"""Puts an imported file under a namespace: names and references gain the prefix ``NS--`` (contract §3.7).

A file is rewritten into a new tree; the tree that came in is shared with the cache of parsed files and stays as it
is. Functions are rewritten wherever they stand, plain strings of values never.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manager_core.dsl.value_types import PRIMITIVE_TYPES

DELIMITER = "--"
_KEYWORDS = {"SELF", "SOURCE", "TARGET"}
_NODE_FUNCTIONS = {"get_property", "get_attribute", "get_attributes_list", "get_attributes_dict"}


def prefixed(namespace: str, name: Any) -> Any:
    """Return a name under a namespace; names of ``cloudify.`` and what is not text stay."""
    if not namespace or not isinstance(name, str) or name.startswith("cloudify."):
        return name
    return f"{namespace}{DELIMITER}{name}"


def join(outer: str, inner: str) -> str:
    """Return the namespace of something imported under `inner` by a file under `outer`."""
    return f"{outer}{DELIMITER}{inner}" if outer and inner else outer or inner


class Rewriter:
    """Rewrites the sections of one file for one namespace.

    Args:
        namespace: the full namespace, not empty.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._bodies: dict[str, Callable[[Any], Any]] = {
            "inputs": self.schema_entry,
            "outputs": self.values,
            "capabilities": self.values,
            "labels": self.values,
            "blueprint_labels": self.values,
            "resource_tags": self.values,
            "node_types": self.type_body,
            "relationships": self.type_body,
            "data_types": self.type_body,
            "node_templates": self.node_template,
            "plugins": self.plugin,
            "workflows": self.workflow,
            "groups": self.group,
            "policies": self.policy,
            "policy_types": self.type_body,
            "policy_triggers": self.type_body,
        }

    def name(self, name: Any) -> Any:
        """Return a name or reference under the namespace."""
        return prefixed(self.namespace, name)

    def element(self, section: str, body: Any) -> Any:
        """Return an element's body with its references rewritten."""
        rewrite = self._bodies.get(section)
        return body if rewrite is None else rewrite(body)

    def values(self, value: Any) -> Any:
        """Rewrite the functions inside a value."""
        if isinstance(value, dict):
            return {key: self._function(key, item, value) for key, item in value.items()}
        if isinstance(value, list):
            return [self.values(item) for item in value]
        return value

    def _function(self, key: Any, argument: Any, call: dict[Any, Any]) -> Any:
        if len(call) == 1 or (len(call) == 2 and "type" in call):
            if key == "get_input":
                if isinstance(argument, str):
                    return self.name(argument)
                if isinstance(argument, list) and argument and isinstance(argument[0], str):
                    return [self.name(argument[0]), *map(self.values, argument[1:])]
            elif key in _NODE_FUNCTIONS and isinstance(argument, list) and argument:
                first = argument[0]
                if isinstance(first, str) and first not in _KEYWORDS:
                    return [self.name(first), *map(self.values, argument[1:])]
        return self.values(argument)

    def _keys(self, body: Any, **rewriters: Callable[[Any], Any]) -> Any:
        if not isinstance(body, dict):
            return body
        return {
            key: rewriters.get(key, self.values)(item) if isinstance(key, str) else item for key, item in body.items()
        }

    def _each(self, rewrite: Callable[[Any], Any], *, names: bool = False) -> Callable[[Any], Any]:
        def apply(body: Any) -> Any:
            if isinstance(body, dict):
                return {(self.name(key) if names else key): rewrite(item) for key, item in body.items()}
            if isinstance(body, list):
                return [rewrite(item) for item in body]
            return body

        return apply

    def type_reference(self, name: Any) -> Any:
        """Rewrite a type name unless it is a primitive one."""
        return name if isinstance(name, str) and name in PRIMITIVE_TYPES else self.name(name)

    def schema_entry(self, body: Any) -> Any:
        """Rewrite one entry of a property, input or parameter schema."""
        return self._keys(body, type=self.type_reference)

    def type_body(self, body: Any) -> Any:
        """Rewrite a node type, relationship type, data type, policy type or trigger."""
        schema = self._each(self.schema_entry)
        interfaces = self._each(self._each(self.operation_of_type))
        return self._keys(
            body,
            derived_from=self.name,
            properties=schema,
            runtime_properties=schema,
            parameters=schema,
            interfaces=interfaces,
            source_interfaces=interfaces,
            target_interfaces=interfaces,
        )

    def operation_of_type(self, body: Any) -> Any:
        """Rewrite an operation whose inputs are a schema."""
        if isinstance(body, str):
            return self.implementation(body)
        return self._keys(body, implementation=self.implementation, inputs=self._each(self.schema_entry))

    def operation(self, body: Any) -> Any:
        """Rewrite an operation of a template."""
        if isinstance(body, str):
            return self.implementation(body)
        return self._keys(body, implementation=self.implementation)

    def implementation(self, text: Any) -> Any:
        """Rewrite an implementation; an empty one stays empty."""
        return self.name(text) if text else text

    def node_template(self, body: Any) -> Any:
        """Rewrite a node template."""
        interfaces = self._each(self._each(self.operation))
        relationship = lambda item: self._keys(  # noqa: E731 - a rewriter like the others, used here alone
            item, type=self.name, target=self.name, source_interfaces=interfaces, target_interfaces=interfaces
        )
        return self._keys(body, type=self.name, interfaces=interfaces, relationships=self._each(relationship))

    def plugin(self, body: Any) -> Any:
        """Rewrite a plugin: its properties' names gain the prefix too."""
        return self._keys(body, properties=self._each(self.values, names=True))

    def workflow(self, body: Any) -> Any:
        """Rewrite a workflow in either form."""
        if isinstance(body, str):
            return self.implementation(body)
        keep = lambda value: value  # noqa: E731
        return self._keys(
            body, mapping=self.implementation, parameters=self._each(self.schema_entry), availability_rules=keep
        )

    def group(self, body: Any) -> Any:
        """Rewrite a group with its policies and triggers."""
        trigger = lambda item: self._keys(item, type=self.name)  # noqa: E731
        policy = lambda item: self._keys(item, type=self.name, triggers=self._each(trigger, names=True))  # noqa: E731
        return self._keys(body, members=self._each(self.name), policies=self._each(policy, names=True))

    def policy(self, body: Any) -> Any:
        """Rewrite a policy."""
        return self._keys(body, type=self.name, targets=self._each(self.name))
