"""``python -m tests.simulation --seed N --occurrences M [--port P] [--jobs J]``: play, check, print; 1 on a finding."""

from __future__ import annotations

import argparse
import sys

from tests.contract.harnesses import ALL_HARNESSES
from tests.simulation.runs import play


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--occurrences", type=int, default=50_000)
    parser.add_argument("--port", choices=sorted(ALL_HARNESSES), default="memory")
    parser.add_argument("--jobs", type=int, default=1, help="worlds played at once")
    options = parser.parse_args()
    report = play(options.seed, options.occurrences, port=options.port, jobs=options.jobs)
    lines = [report.line()]
    for seed, finding in report.findings[:20]:
        lines.append(f"{finding.kind}: schedule {finding.key} occurrence {finding.occurrence}: {finding.text}")
        lines.append(f"replay: python -m tests.simulation --seed {seed} --occurrences 5000 --port {options.port}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
