"""Plays seeds until a number of occurrences is reached, and says what was found."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

from tests.contract.harnesses import ALL_HARNESSES
from tests.simulation.checker import Checker, Finding
from tests.simulation.world import STEPS, Shape, World

A_WORLD = 5_000
NESTED = {
    "memory": STEPS,
    "postgresql": ("claiming", "claimed", "settling", "committed"),  # afterwards the queue's lock is held
    "sqlite": ("claiming", "committed"),  # one writer
}


@dataclass
class Report:
    """The sum of some worlds."""

    seed: int
    worlds: int = 0
    occurrences: int = 0
    fired: int = 0
    crashes: int = 0
    findings: list[tuple[int, Finding]] = field(default_factory=list)

    def take(self, reports: Iterable[Report]) -> None:
        """Add reports up, to the first that found something."""
        for report in reports:
            self.worlds += report.worlds
            self.occurrences += report.occurrences
            self.fired += report.fired
            self.crashes += report.crashes
            self.findings += report.findings
            if self.findings:
                return

    def count(self, kind: str) -> int:
        return sum(finding.kind == kind for _, finding in self.findings)

    def line(self) -> str:
        return (
            f"seed={self.seed} worlds={self.worlds} occurrences={self.occurrences} fired={self.fired} "
            f"crashes={self.crashes} missing={self.count('missing')} double={self.count('double')} "
            f"unexplained={self.count('unexplained')}"
        )


def play(seed: int, occurrences: int, *, port: str = "memory", shape: Shape | None = None, jobs: int = 1) -> Report:
    """Play a world a seed, from `seed` on, until `occurrences` had their fate; stop at the first finding.

    `jobs` worlds are played at once, each in a process of its own when it is more than one.
    """
    sizes = [A_WORLD] * (occurrences // A_WORLD) + [occurrences % A_WORLD] * bool(occurrences % A_WORLD)
    one = partial(_play_one, port, shape)
    numbered = [(seed + number, size) for number, size in enumerate(sizes)]
    report = Report(seed)
    if jobs == 1:
        report.take(map(one, numbered))
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            report.take(pool.map(one, numbered))
            pool.shutdown(cancel_futures=True)
    return report


def _play_one(port: str, shape: Shape | None, world: tuple[int, int]) -> Report:
    """Play one seed to its end and check what was committed."""
    seed, occurrences = world
    harness = ALL_HARNESSES[port]()
    try:
        played = World(harness, seed, shape, nested=NESTED[port])
        played.run(occurrences)
        found = Checker().check(played.journal, harness)
    finally:
        harness.close()
    fired = sum(event.settled is not None and event.settled.execution_id is not None for event in played.journal)
    return Report(seed, 1, played.occurrences, fired, played.crashes, [(seed, finding) for finding in found])
