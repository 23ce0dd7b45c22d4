"""What a process prints comes as whole lines, is bounded, and never holds up who prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from manager_core.runtime.printed import LONGEST_LINE, WholeLines

ROOT = Path(__file__).resolve().parents[3]
FRAME = """
import json, os, sys, threading
from manager_core.runtime.printed import Printed
lines, over = [], []
answer = os.fdopen(os.dup(1), "w")
printed = Printed(lambda stream, line: lines.append([stream, line]), over.append, limit={limit})
{body}
printed.settle()
os.write(1, b"later")
printed.settle()
print(json.dumps([lines, over]), file=answer, flush=True)
os._exit(0)
"""


def lines_of(body: str, limit: int = 10_000_000) -> tuple[list[Any], list[int]]:
    """Run a program whose output is taken, and return the lines and what was told of too much."""
    ended = subprocess.run(
        [sys.executable, "-c", FRAME.format(body=body, limit=limit)],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    lines, over = json.loads(ended.stdout)
    return lines, over


def test_lines_of_python_programs_and_native_code_arrive() -> None:
    body = (
        "print('one'); print('two', file=sys.stderr, flush=True); sys.stdout.flush()\n"
        "os.write(1, b'\\xff\\n\\n'); os.system('echo program'); print('no end', end='')"
    )
    lines, over = lines_of(body)
    assert [line for stream, line in lines if stream == "stdout"] == ["one", "\ufffd", "", "program", "no end"]
    assert ["stderr", "two"] in lines
    assert over == []


def test_too_much_is_told_once_and_nobody_waits() -> None:
    lines, over = lines_of("for _ in range(200_000): print('x' * 100)", limit=1_000_000)
    assert over == [1_000_000]
    assert 0 < len(lines) < 3000


def test_a_stream_that_is_closed_does_not_hold_up_the_other() -> None:
    lines, _ = lines_of("os.close(2); os.write(1, b'still here\\n')")
    assert lines == [["stdout", "still here"]]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_are_whole_however_the_bytes_come(size: int) -> None:
    text = b"first\n\nthird line\nlast"
    whole = WholeLines()
    pieces = [whole.take(1, text[at : at + size]) for at in range(0, len(text), size)]
    assert b"".join(pieces) == b"first\n\nthird line\n"
    assert whole.rest_of(1) == b"last"
    assert whole.rest_of(1) == b""


def test_a_line_without_end_is_cut() -> None:
    whole = WholeLines()
    assert whole.take(1, b"x" * LONGEST_LINE) == b""
    assert whole.take(1, b"y") == b"x" * LONGEST_LINE + b"y"
