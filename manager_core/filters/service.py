"""Stored filters over blueprints and deployments, and the labels in use (REST contract §20)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_
from sqlmodel import Session, col, select

from manager_core.access import visibility as visibility_rules
from manager_core.access.caller import Caller
from manager_core.errors import BadParameters, NotFound
from manager_core.filters.kinds import KINDS
from manager_core.filters.labels import RESERVED_KEYS, RESERVED_PREFIX
from manager_core.filters.listing import FILTERS
from manager_core.filters.rules import Rule, parse_rules
from manager_core.filters.tables import Filter
from manager_core.rest.identifiers import check_id
from manager_core.rest.listing import Listing, ListQuery, contains, get_one, list_page, visible
from manager_core.states import Visibility

if TYPE_CHECKING:
    from manager_core.bootstrap import Core


class Filters:
    """Stored filters, and the labels in use."""

    def __init__(self, core: Core) -> None:
        """Work on the given Core."""
        self._core = core

    def stored(self, session: Session, caller: Caller, kind: str, filter_id: str) -> list[Rule]:
        """Return the rules of a stored filter.

        Args:
            kind: `deployments` or `blueprints`.

        Raises:
            NotFound: the caller sees no such filter.
        """
        row = self._row(session, caller, kind, filter_id)
        return parse_rules(kind, row.value or [])

    def page(self, caller: Caller, kind: str, query: ListQuery) -> dict[str, Any]:
        """Return a page of stored filters."""
        with self._core.store.read() as session:
            return list_page(session, FILTERS, query, caller, where=[col(Filter.filtered_resource) == kind])

    def get(self, caller: Caller, kind: str, filter_id: str, include: list[str] | None = None) -> dict[str, Any]:
        """Return one stored filter.

        Raises:
            NotFound: the caller sees no such filter.
        """
        with self._core.store.read() as session:
            where = [col(Filter.filtered_resource) == kind]
            return get_one(session, FILTERS, caller, filter_id, include=include, where=where)

    def create(
        self,
        caller: Caller,
        kind: str,
        filter_id: str,
        rules: Any,
        *,
        visibility: str = Visibility.TENANT,
        created_at: datetime | None = None,
        created_by: str | None = None,
    ) -> dict[str, Any]:
        """Store a filter.

        Raises:
            BadParameters: a bad or reserved id.
            ManagerError: `invalid_filter_rule`.
            Conflict: the id is taken.
        """
        check_id(filter_id, "filter_id")
        if filter_id.lower().startswith(RESERVED_PREFIX):
            raise BadParameters(f"All filters with a `{RESERVED_PREFIX}` prefix are reserved for internal use")
        checked = parse_rules(kind, rules)
        granted = visibility_rules.checked(visibility, caller)
        if created_at is not None:
            caller.require("set_timestamp")
        if created_by is not None:
            caller.require("set_owner")
        with self._core.store.write() as session:
            taken = select(Filter.storage_id).where(
                Filter.id == filter_id,
                Filter.filtered_resource == kind,
                or_(col(Filter.tenant_name) == caller.tenant_name, col(Filter.visibility) == Visibility.GLOBAL.value),
            )
            if session.exec(taken).first() is not None:
                raise visibility_rules.taken("Filter", caller.tenant_name, filter_id)
            owner = caller.username
            if created_by is not None:
                owner = self._core.access.existing_user(session, created_by)
            session.add(
                Filter(
                    id=filter_id,
                    filtered_resource=kind,
                    value=[rule.as_json() for rule in checked],
                    tenant_name=caller.tenant_name,
                    created_by=owner,
                    visibility=granted,
                    created_at=created_at or self._core.clock.now(),
                )
            )
        return self.get(caller, kind, filter_id)

    def update(
        self, caller: Caller, kind: str, filter_id: str, *, rules: Any = None, visibility: str | None = None
    ) -> dict[str, Any]:
        """Change a filter's rules, its visibility, or both.

        Raises:
            NotFound: the caller sees no such filter.
            ManagerError: `invalid_filter_rule`, or a visibility that may not be set.
        """
        if rules is None and visibility is None:
            raise BadParameters("Provide `filter_rules`, `visibility` or both")
        with self._core.store.write() as session:
            row = self._own(session, caller, kind, filter_id)
            if visibility is not None:
                visibility_rules.widen(session, caller, row, "Filter", visibility)
            if rules is not None:
                row.value = [rule.as_json() for rule in parse_rules(kind, rules)]
            row.updated_at = self._core.clock.now()
            session.add(row)
        return self.get(caller, kind, filter_id)

    def delete(self, caller: Caller, kind: str, filter_id: str) -> None:
        """Remove a stored filter.

        Raises:
            NotFound: the caller sees no such filter.
        """
        with self._core.store.write() as session:
            session.delete(self._own(session, caller, kind, filter_id))

    def label_keys(self, caller: Caller, kind: str, query: ListQuery, *, reserved: bool = False) -> dict[str, Any]:
        """Return a page of the label keys in use, or of the reserved ones."""
        if reserved:
            return _page(sorted(RESERVED_KEYS), len(RESERVED_KEYS), query)
        return self._labels_in_use(caller, kind, query, key=None)

    def label_values(self, caller: Caller, kind: str, query: ListQuery, key: str) -> dict[str, Any]:
        """Return a page of the values in use of one label key."""
        return self._labels_in_use(caller, kind, query, key=key.lower())

    def _labels_in_use(self, caller: Caller, kind: str, query: ListQuery, *, key: str | None) -> dict[str, Any]:
        described = KINDS[kind]
        assert described.labels is not None
        labels, owner = described.labels
        table: Any = described.table
        wanted = labels.key if key is None else labels.value
        seen = visible(Listing(kind, table, {}, f"{kind[:-1]}_list"), caller, all_tenants=query.all_tenants)
        statement = (
            select(wanted).join(table, (table.tenant_name == labels.tenant_name) & (table.id == owner)).where(*seen)
        )
        if key is not None:
            statement = statement.where(labels.key == key)
        if query.search:
            statement = statement.where(contains(wanted, query.search))
        with self._core.store.read() as session:
            found = list(session.exec(statement.distinct().order_by(wanted)).all())
        end = None if query.size is None else query.offset + query.size
        return _page(found[query.offset : end], len(found), query)

    def _row(self, session: Session, caller: Caller, kind: str, filter_id: str) -> Filter:
        statement = (
            select(Filter)
            .where(Filter.id == filter_id, Filter.filtered_resource == kind, *visible(FILTERS, caller))
            .order_by((col(Filter.tenant_name) == caller.tenant_name).desc())
        )
        row = session.exec(statement).first()
        if row is None:
            raise NotFound.of("Filter", filter_id)
        return row

    def _own(self, session: Session, caller: Caller, kind: str, filter_id: str) -> Filter:
        row = self._row(session, caller, kind, filter_id)
        if not visibility_rules.may_modify(caller, row):
            raise NotFound.of("Filter", filter_id)
        return row


def _page(items: list[Any], total: int, query: ListQuery) -> dict[str, Any]:
    return {
        "items": items,
        "metadata": {
            "pagination": {"total": total, "size": query.page_size, "offset": query.offset},
            "filtered": None,
        },
    }
