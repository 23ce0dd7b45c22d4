"""Configuration values that an operator may change at run time, and the provider context."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, select

from manager_core.access.caller import Caller
from manager_core.configuration.defaults import BY_NAME, KNOWN, Known
from manager_core.configuration.tables import ConfigValue, ProviderContext
from manager_core.errors import BadParameters, Conflict, NotFound

if TYPE_CHECKING:
    from manager_core.bootstrap import Core

DEFAULT_CONTEXT = {"name": "provider", "context": {"cloudify": {}}}
"""What old clients get when nobody has stored a provider context."""


class Configuration:
    """Configuration values, read when they are needed so that a change holds at once, and the provider context."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def value(self, name: str, scope: str | None = None) -> Any:
        """Return a value, or its default when nobody has changed it.

        Raises:
            NotFound: there is no such value.
        """
        with self._core.store.read() as session:
            return self.value_in(session, name, scope)

    def value_in(self, session: Session, name: str, scope: str | None = None) -> Any:
        """Return a value, read in the caller's session."""
        known = _known(name, scope)
        stored = session.get(ConfigValue, (known.scope, known.name))
        return known.default if stored is None else stored.value

    def items(self, caller: Caller, scope: str | None = None) -> list[dict[str, Any]]:
        """Return the values of a scope (all scopes when None) as the REST contract §2.3 shows them."""
        with self._core.store.read() as session:
            stored = {(row.scope, row.name): row for row in session.exec(select(ConfigValue)).all()}
        return [
            _item(known, stored.get((known.scope, known.name)))
            for known in KNOWN
            if scope in (None, known.scope) and (caller.is_admin or not known.admin_only)
        ]

    def item(self, caller: Caller, name: str) -> dict[str, Any]:
        """Return one value; `name` may be `scope.name`.

        Raises:
            NotFound: there is no such value for this caller.
        """
        known = _find(name)
        if known.admin_only and not caller.is_admin:
            raise NotFound.of("Config", name)
        with self._core.store.read() as session:
            return _item(known, session.get(ConfigValue, (known.scope, known.name)))

    def change(self, caller: Caller, name: str, value: Any, *, force: bool = False) -> dict[str, Any]:
        """Set one value.

        Args:
            force: also set a value that is not editable.

        Raises:
            NotFound: there is no such value.
            Conflict: it is not editable.
            BadParameters: it does not satisfy the value's schema.
        """
        known = _find(name)
        if not known.is_editable and not force:
            raise Conflict(f"{known.name} is not editable")
        _check(known, value)
        with self._core.store.write() as session:
            row = session.get(ConfigValue, (known.scope, known.name))
            if row is None:
                row = ConfigValue(scope=known.scope, name=known.name)
            row.value = value
            row.updated_at = self._core.clock.now()
            row.updater_name = caller.username
            session.add(row)
        return _item(known, row)

    def provider_context(self) -> dict[str, Any]:
        """Return the stored provider context, or an empty one."""
        with self._core.store.read() as session:
            row = session.get(ProviderContext, "CONTEXT")
        return DEFAULT_CONTEXT if row is None else {"name": row.name, "context": row.context}

    def set_provider_context(self, name: str, context: dict[str, Any], *, update: bool) -> None:
        """Store the provider context.

        Args:
            update: replace the present one instead of making the first.

        Raises:
            Conflict: there is one already and `update` is false.
            NotFound: there is none and `update` is true.
        """
        with self._core.store.write() as session:
            row = session.get(ProviderContext, "CONTEXT")
            if row is not None and not update:
                raise Conflict("Provider Context already exists")
            if row is None and update:
                raise NotFound("Provider Context not found")
            row = row or ProviderContext(name=name)
            row.name, row.context = name, context
            session.add(row)


def _known(name: str, scope: str | None) -> Known:
    known = BY_NAME.get(name)
    if known is None or scope not in (None, known.scope):
        raise NotFound.of("Config", name if scope is None else f"{scope}.{name}")
    return known


def _find(text: str) -> Known:
    """Find a value by `name` or `scope.name`."""
    scope, dot, name = text.partition(".")
    return _known(name, scope) if dot else _known(text, None)


def _item(known: Known, row: ConfigValue | None) -> dict[str, Any]:
    updated_at: datetime | None = None if row is None else row.updated_at
    return {
        "name": known.name,
        "value": known.default if row is None else row.value,
        "schema": known.schema,
        "scope": known.scope,
        "is_editable": known.is_editable,
        "admin_only": known.admin_only,
        "updated_at": updated_at,
        "updater_name": None if row is None else row.updater_name,
    }


_TYPES: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "string": (str,)}


def _check(known: Known, value: Any) -> None:
    """Hold a value against its schema: a type and two bounds are all that ours say."""
    schema = known.schema
    if schema is None:
        return
    if isinstance(value, bool) or not isinstance(value, _TYPES[schema["type"]]):
        raise BadParameters(f"Error validating {known.name}: {value!r} is not of type {schema['type']!r}")
    if "minimum" in schema and value < schema["minimum"]:
        raise BadParameters(f"Error validating {known.name}: {value} is less than the minimum of {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise BadParameters(
            f"Error validating {known.name}: {value} is greater than the maximum of {schema['maximum']}"
        )
