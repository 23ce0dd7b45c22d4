"""The proof of a worker: for one request on one file, for a few minutes, by holders of the key alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from manager_core.errors import Unauthorized
from manager_core.files.proof import TOLERANCE_SECONDS, check, prove

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
HASH = "a" * 64
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_proof_opens_what_it_was_made_for() -> None:
    check(KEY, prove(KEY, "GET", "plugins", HASH, NOW), "GET", "plugins", HASH, NOW)


@pytest.mark.parametrize(
    ("key", "method", "kind", "content_hash"),
    [
        (OTHER_KEY, "GET", "plugins", HASH),
        (KEY, "PUT", "plugins", HASH),
        (KEY, "GET", "snapshots", HASH),
        (KEY, "GET", "plugins", "b" * 64),
    ],
)
def test_it_opens_nothing_else(key: bytes, method: str, kind: str, content_hash: str) -> None:
    with pytest.raises(Unauthorized, match="another CLOUDIFY_SECRET_KEY"):
        check(key, prove(KEY, "GET", "plugins", HASH, NOW), method, kind, content_hash, NOW)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_old_one_and_one_of_the_future_are_refused_with_both_clocks(sign: int) -> None:
    made = prove(KEY, "GET", "plugins", HASH, NOW)
    check(KEY, made, "GET", "plugins", HASH, NOW + sign * timedelta(seconds=TOLERANCE_SECONDS))
    with pytest.raises(Unauthorized, match=r"2026-03-01 12:00:00 UTC.*more than 300 seconds"):
        check(KEY, made, "GET", "plugins", HASH, NOW + sign * timedelta(seconds=TOLERANCE_SECONDS + 1))


@pytest.mark.parametrize("header", [None, "", "Basic YWRtaW46YWRtaW4=", "Cloudify-Worker", "Cloudify-Worker 1:zz"])
def test_anything_else_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthorized, match="CLOUDIFY_SECRET_KEY"):
        check(KEY, header, "GET", "plugins", HASH, NOW)
