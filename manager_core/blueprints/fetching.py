"""Reading from the network: archives by URL, and imports where the operator allows them.

Only http and https, also after a redirect; every read has a time limit and every body a size limit.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from manager_core.errors import BadParameters
from scheduler.clock import Clock

TIMEOUT_SECONDS = 10.0
LARGEST_ARCHIVE = 4 << 30
_LARGEST_IMPORT = 8 << 20
_RETRIES = 5
_TOTAL_SECONDS = 900.0
_IMPORT_SECONDS = 120.0


class _WebOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_scheme(url: str) -> None:
    """Refuse what is not http or https.

    Raises:
        BadParameters: another scheme, or none.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise BadParameters(f"The URL {url} cannot be used: only http and https are")


def _open(url: str) -> Any:
    check_scheme(url)
    opener = urllib.request.build_opener(_WebOnly)
    return opener.open(urllib.request.Request(url), timeout=TIMEOUT_SECONDS)  # noqa: S310 - the scheme is checked


_FAILURES = (urllib.error.URLError, OSError, http.client.HTTPException, socket.timeout, ValueError)


def download(url: str, target: Path, clock: Clock, *, largest: int = LARGEST_ARCHIVE) -> None:
    """Write what `url` answers with to `target`.

    Raises:
        BadParameters: it cannot be reached, answers with an error, is larger than `largest` bytes, or takes more than
            15 minutes.
    """
    deadline = clock.monotonic() + _TOTAL_SECONDS
    size = 0
    try:
        with _open(url) as answer, target.open("wb") as stream:
            # `read` would wait for a whole block, which a server that sends a byte at a time can delay for ever.
            while block := answer.read1(1 << 20):
                size += len(block)
                if size > largest:
                    raise BadParameters(f"{url} is larger than {largest >> 20} MB")
                if clock.monotonic() > deadline:
                    raise BadParameters(f"{url} took longer than {_TOTAL_SECONDS:.0f} seconds")
                stream.write(block)
    except _FAILURES as error:
        raise BadParameters(f"{url} could not be read: {error}") from error


def fetch_text(url: str, clock: Clock) -> str | None:
    """Return the text at `url`, or None when there is none (blueprint-dsl contract §3.2: 5 retries, 1 s apart)."""
    deadline = clock.monotonic() + _IMPORT_SECONDS
    for attempt in range(_RETRIES + 1):
        if attempt:
            clock.wait(1.0)
        try:
            with _open(url) as answer:
                data = bytearray()
                while block := answer.read1(1 << 20):
                    data += block
                    if len(data) > _LARGEST_IMPORT or clock.monotonic() > deadline:
                        return None
            return data.decode("utf-8-sig", errors="replace")
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return None
        except BadParameters:
            return None
        except _FAILURES:
            continue
    return None
