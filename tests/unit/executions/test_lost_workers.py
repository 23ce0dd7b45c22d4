"""When a worker is known to be dead: only on the machine it ran on, and only when its very process is gone."""

from __future__ import annotations

from manager_core.runtime.leases import is_dead, worker_name


def test_a_worker_of_this_process_is_alive() -> None:
    assert not is_dead(worker_name())


def test_a_process_of_the_same_number_but_another_birth_is_another_process() -> None:
    host, boot, pid, _, tail = worker_name().split("|")
    assert is_dead("|".join((host, boot, pid, "1", tail)))


def test_a_process_that_is_not_there_is_dead() -> None:
    host, boot, _, born, tail = worker_name().split("|")
    assert is_dead("|".join((host, boot, "4194303", born, tail)))


def test_nothing_is_known_of_other_machines_and_of_other_names() -> None:
    _, boot, pid, _, tail = worker_name().split("|")
    assert not is_dead("|".join(("elsewhere", boot, pid, "1", tail)))
    assert not is_dead("w")
    assert not is_dead("")


def test_every_worker_has_a_name_of_its_own() -> None:
    assert worker_name() != worker_name()
