"""The page of recovery times, as the tests of real hosts write it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.hosts.story import Recovery

HEAD = """\
# Reliability: what was measured

`make reliability` writes this page: it starts two API processes and two schedulers behind a TCP proxy, three workers
and a PostgreSQL, each host in a network namespace with a data directory of its own, and disturbs them while a schedule
fires every few seconds and executions are started over REST. Afterwards every occurrence is in the history exactly
once, every execution has ended well, and no operation that ended well was begun again (`tests/hosts/test_hosts.py`).

`CLOUDIFY_LEASE_SECONDS` was {lease:g} there; its default is 30. What a lost worker ran is taken over when its lease is
over and another worker has looked (at most a third of the lease later, and never more than 5 s): with the default
expect the lease more. A worker that ends on a host which goes on, or that is stopped, is noticed at once.

| fault | until | seconds |
| --- | --- | --- |
"""

TAIL = """
What each row means:

- A worker that is **killed** leaves nothing behind that could go on; its executions are resumed by whoever finds the
  lease over. A workflow that is not resumable ends `failed` with an error that says so.
- A host that is **paused** or **cut off** keeps its processes. A process whose worker has not renewed the lease ends
  itself after nine tenths of it, on its own clock, before anybody else takes over. A host that was frozen whole can do
  so only when it is thawed; until then it does nothing, and what it writes afterwards is refused: each transaction of
  an execution process compares its attempt with the row's.
- While **PostgreSQL** is away the API answers 503, schedulers and workers look again, and execution processes wait for
  as long as their lease lasts. A commit whose answer was lost is neither lost nor repeated: PostgreSQL is asked what
  became of the transaction.
"""


def page(recoveries: Sequence[Recovery], *, lease_seconds: float) -> str:
    """Return the page's text."""
    rows = [f"| {item.fault} | {item.until} | {item.seconds:.1f} |\n" for item in recoveries]
    return HEAD.format(lease=lease_seconds) + "".join(rows) + TAIL
