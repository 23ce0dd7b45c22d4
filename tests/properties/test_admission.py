"""The rules of the execution queue over random worlds: what may run beside what, and that everybody gets a turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from manager_core.executions.admission import (
    CREATE_ENVIRONMENT,
    Decision,
    Facts,
    Outcome,
    Start,
    Waiting,
    choose,
    decide,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 20


@dataclass
class Held:
    """An execution of the model."""

    id: str
    number: int
    system_wide: bool
    deployment: tuple[str, str] | None
    workflow_id: str = "w"
    forced: bool = False
    overlap: bool = False


@dataclass
class World:
    """A queue run by `decide` and `choose` alone."""

    active: list[Held] = field(default_factory=list)
    queued: list[Held] = field(default_factory=list)
    started: list[Held] = field(default_factory=list)
    count: int = 0

    def facts(self, item: Held, *, leaving: bool = False) -> Facts:
        # As `queueing` asks: of those that leave the queue, a deployment's environment has nobody before it.
        number = 0 if item.workflow_id == CREATE_ENVIRONMENT else item.number
        older = [each for each in self.queued if each is not item and (not leaving or each.number < number)]
        others = [each for each in self.active if each is not item]
        blocking = [each.id for each in [*others, *self.queued] if each.system_wide and each is not item]
        same = [each.id for each in [*others, *older] if each.deployment == item.deployment]
        return Facts(
            active=[each.id for each in others],
            system_wide=blocking,
            deployment=same if item.deployment is not None else (),
        )

    def start(self, item: Held, *, queue: bool, own: bool) -> Decision:
        start = Start(
            system_wide=item.system_wide,
            deployment=item.deployment,
            queue=queue,
            force=item.forced,
            own=own,
            overlap=item.overlap,
        )
        decision = decide(start, self.facts(item))
        if decision.outcome is Outcome.START:
            self.active.append(item)
            self.started.append(item)
        elif decision.outcome is Outcome.QUEUE:
            self.queued.append(item)
        return decision

    def dequeue(self) -> int:
        waiting = [
            Waiting(
                each.id, EPOCH + timedelta(seconds=each.number), each.number, each.workflow_id, each.system_wide,
                each.deployment,
            )
            for each in self.queued
        ]  # fmt: skip
        busy = {each.deployment for each in self.active if each.deployment is not None}
        chosen = choose(
            waiting,
            busy=busy,
            active=len(self.active),
            limit=LIMIT,
            system_wide_active=any(each.system_wide for each in self.active),
        )
        made = 0
        for candidate in chosen:
            item = next(each for each in self.queued if each.id == candidate.id)
            start = Start(system_wide=item.system_wide, deployment=item.deployment, queue=True)
            if decide(start, self.facts(item, leaving=True)).outcome is Outcome.START:
                self.queued.remove(item)
                self.active.append(item)
                self.started.append(item)
                made += 1
        return made


starts = st.tuples(
    st.just("start"),
    st.sampled_from([None, "a", "b", "c", "system"]),
    st.booleans(),
    st.sampled_from(["plain", "plain", "plain", "force", "overlap"]),
    st.booleans(),
    st.sampled_from(["w", "w", CREATE_ENVIRONMENT]),
)
ends = st.tuples(st.just("end"), st.integers(0, 50))


def play(steps: list[tuple[object, ...]]) -> World:
    """Run the steps on a fresh world, checking after each that nothing runs beside what it must not run beside."""
    world = World()
    for step in steps:
        if step[0] == "start":
            _, target, queue, mode, own, workflow = step
            world.count += 1
            item = Held(
                id=f"e{world.count}",
                number=world.count,
                system_wide=target == "system",
                deployment=("t", str(target)) if target in ("a", "b", "c") else None,
                workflow_id=str(workflow) if target in ("a", "b", "c") else "w",
                forced=mode == "force",
                overlap=mode == "overlap",
            )
            world.start(item, queue=bool(queue), own=bool(own))
        elif world.active:
            world.active.pop(int(step[1]) % len(world.active))  # type: ignore[call-overload]
            world.dequeue()
        check(world)
    return world


def check(world: World) -> None:
    """Assert what holds at every moment."""
    plain = [each for each in world.active if not each.overlap]
    if any(each.system_wide for each in plain):
        assert len(plain) == 1, "a system-wide execution runs beside another one that asked for admission"
    for key in {each.deployment for each in plain if each.deployment is not None}:
        same = [each for each in plain if each.deployment == key and not each.forced]
        assert len(same) <= 1, f"two executions that were not forced run on {key}"


@given(st.lists(st.one_of(starts, starts, ends), max_size=60))
def test_nothing_ever_runs_beside_what_it_must_not(steps: list[tuple[object, ...]]) -> None:
    play(steps)


@example(
    [
        ("start", "a", False, "plain", False, "w"),
        ("start", "a", True, "plain", False, "w"),
        ("start", "a", True, "plain", False, CREATE_ENVIRONMENT),
    ]
)
@given(st.lists(st.one_of(starts, starts, ends), max_size=60))
def test_everything_queued_starts_once_the_others_have_ended(steps: list[tuple[object, ...]]) -> None:
    world = play(steps)
    world.dequeue()
    for _ in range(4 * world.count + 4):
        if not world.active:
            break
        world.active.pop(0)
        world.dequeue()
        check(world)
    assert world.queued == []


@given(st.lists(st.one_of(starts, starts, ends), max_size=60))
def test_what_waits_for_one_deployment_starts_in_the_order_of_arrival(steps: list[tuple[object, ...]]) -> None:
    world = play([step if step[0] == "end" else (*step[:2], True, "plain", step[4], "w") for step in steps])
    for _ in range(4 * world.count + 4):
        if world.active:
            world.active.pop(0)
        world.dequeue()
    for key in ("a", "b", "c"):
        numbers = [each.number for each in world.started if each.deployment == ("t", key)]
        assert numbers == sorted(numbers)


keys = st.sampled_from([None, ("t", "a"), ("t", "b"), ("u", "a"), ("t", "c")])
queues = st.lists(st.tuples(keys, st.sampled_from(["w", "w", CREATE_ENVIRONMENT]), st.booleans()), max_size=40)


@given(queues, st.sets(keys.filter(lambda key: key is not None)), st.integers(0, 25))
def test_a_round_takes_one_a_free_deployment_and_none_beyond_the_limit(
    queue: list[tuple[tuple[str, str] | None, str, bool]], busy: set[tuple[str, str]], active: int
) -> None:
    waiting = [
        Waiting(
            f"e{row}", EPOCH + timedelta(seconds=row), row, workflow if key else "w", system_wide and key is None, key
        )
        for row, (key, workflow, system_wide) in enumerate(queue)
    ]
    chosen = choose(waiting, busy=busy, active=active, limit=LIMIT, system_wide_active=False)
    assert len({item.deployment for item in chosen}) == len(chosen)
    assert not {item.deployment for item in chosen} & busy
    system_wide = [item for item in waiting if item.system_wide]
    if system_wide:
        assert chosen == (system_wide[:1] if active == 0 else [])
        return
    assert active + len(chosen) <= max(LIMIT, active)
    if active + len(chosen) < LIMIT:
        assert {item.deployment for item in chosen} == {item.deployment for item in waiting} - busy
    for item in chosen:
        rivals = [each for each in waiting if each.deployment == item.deployment]
        building = [each for each in rivals if each.workflow_id == CREATE_ENVIRONMENT]
        assert item is (building or rivals)[0], "it is the oldest of its deployment, the environment before all others"
