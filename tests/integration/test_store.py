"""The store keeps what it is given, on both databases alike."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlmodel import col, select

from manager_core.access.tables import Tenant, TenantMember
from manager_core.configuration.tables import ConfigValue
from manager_core.health.tables import Counter
from manager_core.store.changes import ChangeMark
from manager_core.store.engine import Store
from manager_core.store.upsert import upsert

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def kept(store: Store, value: object) -> object:
    """Write a JSON value, and read it back in another session."""
    with store.write() as session:
        session.merge(ConfigValue(scope="s", name="n", value=value))
    with store.read() as session:
        return session.get(ConfigValue, ("s", "n")).value


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        "",
        [],
        {},
        False,
        "text",
        'quo"te',
        "éא",
        2**70,
        -(2**63) - 1,
        1.5,
        [1, [2, {"a": None}]],
        {"1": {"b": [True]}},
    ],
)
def test_json_values_come_back_as_they_went(store: Store, value: object) -> None:
    assert kept(store, value) == value
    assert type(kept(store, value)) is type(value)


def test_a_nul_character_is_replaced_where_it_cannot_be_kept(store: Store) -> None:
    expected = "a\x00b" if store.dialect == "sqlite" else "a\ufffdb"
    assert kept(store, {"k": ["a\x00b"]}) == {"k": [expected]}


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=10,
)


@given(_JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_json_value_comes_back_as_it_went(store: Store, value: object) -> None:
    assert kept(store, value) == value


def test_instants_come_back_aware_and_in_utc(store: Store) -> None:
    east = datetime(2026, 7, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=3)))
    with store.write() as session:
        session.add(Tenant(name="t", created_at=east))
    with store.read() as session:
        found = session.get(Tenant, "t").created_at
    assert found == east
    assert found.utcoffset() == timedelta(0)


def test_instants_sort_and_compare_in_the_database(store: Store) -> None:
    with store.write() as session:
        for number in (2, 0, 1):
            session.add(Tenant(name=f"t{number}", created_at=NOW + timedelta(microseconds=number)))
    with store.read() as session:
        later = select(Tenant.name).where(col(Tenant.created_at) > NOW, col(Tenant.name).startswith("t"))
        assert session.exec(later.order_by(col(Tenant.created_at))).all() == ["t1", "t2"]


def test_a_naive_instant_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="naive"), store.write() as session:
        session.add(Tenant(name="t", created_at=datetime(2026, 3, 2)))


def test_a_write_block_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.write() as session:
        session.add(Tenant(name="t", created_at=NOW))
        session.flush()
        raise RuntimeError
    with store.read() as session:
        assert session.get(Tenant, "t") is None


def test_what_a_read_block_changes_is_not_kept(store: Store) -> None:
    with store.write() as session:
        session.add(Tenant(name="t", created_at=NOW))
    with store.read() as session:
        session.get(Tenant, "t").created_at = NOW + timedelta(days=1)
    with store.read() as session:
        assert session.get(Tenant, "t").created_at == NOW


def test_foreign_keys_are_kept(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as session:
        session.add(TenantMember(tenant_name="nowhere", username="admin"))


def test_concurrent_increments_lose_nothing(store: Store) -> None:
    """Read, then write what was read plus one: the transaction has to hold its lock from its first read."""
    with store.write() as session:
        session.add(Counter(name="c", label="", value=0))
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait()
        for _ in range(10):
            with store.write() as session:
                row = session.exec(select(Counter).where(Counter.name == "c").with_for_update()).one()
                row.value += 1
                session.add(row)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as session:
        assert session.exec(select(Counter.value).where(Counter.name == "c")).one() == 40


def test_a_reader_sees_one_moment_while_others_write(store: Store) -> None:
    if store.dialect != "sqlite":
        pytest.skip("PostgreSQL readers see each statement's own moment")
    with store.read() as session:
        before = len(session.exec(select(Tenant)).all())
        with store.write() as writer:
            writer.add(Tenant(name="t", created_at=NOW))
        assert len(session.connection().execute(text("SELECT name FROM tenants")).all()) == before


def test_a_sqlite_reader_that_writes_waits_for_nobody(store: Store) -> None:
    if store.dialect != "sqlite":
        pytest.skip("a rule of SQLite's locks")
    with store.read() as session:
        session.connection().execute(text("PRAGMA query_only=ON"))
        with pytest.raises(OperationalError):
            session.connection().execute(update(Tenant).values(created_at=NOW))
        session.connection().execute(text("PRAGMA query_only=OFF"))


def test_upsert_inserts_changes_or_leaves(store: Store) -> None:
    rows = [{"name": "a", "label": "", "value": 1.0}, {"name": "b", "label": "", "value": 2.0}]
    with store.write() as session:
        upsert(session, Counter, rows, key=["name", "label"])
        upsert(session, Counter, [{"name": "a", "label": "", "value": 9.0}], key=["name", "label"])
        upsert(
            session,
            Counter,
            rows,
            key=["name", "label"],
            change=lambda present, offered: {"value": present.value + offered.value},
        )
        upsert(session, Counter, [], key=["name", "label"])
    with store.read() as session:
        found = {row.name: row.value for row in session.exec(select(Counter)).all()}
    assert (found["a"], found["b"]) == (2.0, 4.0)


def test_an_errors_text_does_not_hold_what_was_to_be_stored(store: Store) -> None:
    with pytest.raises(IntegrityError) as refusal, store.write() as session:
        session.add(TenantMember(tenant_name="nowhere", username="admin", role="s3cret-value"))
    assert "s3cret-value" not in str(refusal.value)


def test_the_change_mark_moves_with_every_commit_of_anybody(store: Store) -> None:
    before = store.changes.read()
    if store.dialect != "sqlite":
        assert before is None, "there is no telling, so everything is read afresh"
        return
    assert store.changes.read() == before
    with store.read() as session:
        session.exec(select(Tenant)).all()
    assert store.changes.read() == before
    with store.write() as session:
        session.add(Tenant(name="t", created_at=NOW))
    assert store.changes.read() != before


def test_a_mark_of_one_connection_is_never_that_of_another(store: Store) -> None:
    """Not after the connection was lost, and not of another database in the same process."""
    if store.dialect != "sqlite":
        pytest.skip("PostgreSQL has no marks")
    before = store.changes.read()
    store.changes.close()
    after = store.changes.read()
    other = ChangeMark(store.engine)
    assert len({before, after, other.read()}) == 3
    other.close()
