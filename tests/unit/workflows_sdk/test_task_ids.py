"""Task ids: UUIDs that nobody gives out twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid

from tests.support.workflow_play import SDK

FORKING = """
import os
from cloudify.workflows.ids import new_id
new_id()
read, write = os.pipe()
child = os.fork()
ids = [new_id() for _ in range(50)]
if child == 0:
    os.write(write, " ".join(ids).encode())
    os._exit(0)
os.waitpid(child, 0)
print(len(set(ids) & set(os.read(read, 65536).decode().split())))
"""


def test_they_are_random_uuids_of_version_4() -> None:
    from cloudify.workflows.ids import new_id

    for _ in range(600):
        text = new_id()
        parsed = uuid.UUID(text)
        assert str(parsed) == text and parsed.version == 4 and parsed.variant == uuid.RFC_4122


def test_threads_never_give_out_the_same() -> None:
    from cloudify.workflows.ids import new_id

    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(new_id() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2000


def test_a_forked_child_does_not_repeat_its_parent() -> None:
    path = os.pathsep.join([str(SDK), str(SDK.parents[1])])
    ended = subprocess.run(
        [sys.executable, "-c", FORKING],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
    )
    assert ended.stdout.strip() == "0", ended.stderr
