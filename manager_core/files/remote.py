"""The stored files of an API on another host, over HTTP: ask, fetch, send. One attempt each; the caller is patient."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from manager_core.errors import Kind, ManagerError
from manager_core.files import proof

PLACE = "/internal/files"
FOLDERS_PLACE = "/internal/folders"
FOLDERS = "folders"
"""The kind of what is not named by its content: all of it together, as a zip. To fetch it, the hash is empty."""

_BASE = "/api/v3.1"
TIMEOUT_SECONDS = 10.0
"""For connecting, and for every single read and write."""

WORKING_SECONDS = 120.0
"""The same where the API has to pack, or to check and flush, all of it before it answers."""

_BLOCK = 1 << 20


class FileUnavailable(ManagerError):
    """A stored file cannot be had, or not be handed over; the message says from where and why."""

    code = "file_unavailable"
    kind = Kind.UNAVAILABLE


class Unreachable(Exception):
    """The API does not answer at present; later it may."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> None:
        """Follow nothing: the proof is for the API that the operator named."""


class RemoteFiles:
    """Files of one API."""

    def __init__(self, url: str, key: Callable[[], bytes], now: Callable[[], datetime]) -> None:
        """Use the API at a URL.

        Args:
            url: without `/api`.
            key: gives the key of the proofs.
            now: the present instant.
        """
        self._url = url.rstrip("/")
        self._key = key
        self._now = now
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def host(self) -> str:
        """The host (and port) of the API, for messages."""
        return urlsplit(self._url).netloc.rpartition("@")[2] or self._url

    def has(self, kind: str, content_hash: str) -> bool:
        """Tell whether the API has a file; raises as `fetch`."""
        try:
            with self._open("HEAD", kind, content_hash):
                return True
        except _Absent:
            return False

    def fetch(self, kind: str, content_hash: str, target: Path) -> str | None:
        """Write a file to `target` and return the SHA-256 of what came; None when the API has no such file.

        Raises:
            Unreachable: no answer, or half of one.
            FileUnavailable: the API refuses, or this host cannot keep the file.
        """
        digest = hashlib.sha256()
        received = 0
        try:
            with self._open("GET", kind, content_hash) as answer, _writing(target) as stream:
                expected = answer.headers.get("Content-Length")
                while block := _read(answer):
                    digest.update(block)
                    received += len(block)
                    with _disk(target):
                        stream.write(block)
        except _Absent:
            return None
        if expected is not None and received != int(expected):
            raise Unreachable(f"the connection ended after {received} of {expected} bytes")
        return digest.hexdigest()

    def send(self, kind: str, content_hash: str, source: Path) -> None:
        """Hand a file over; raises as `fetch`."""
        with source.open("rb") as stream:
            headers = {"Content-Length": str(source.stat().st_size), "Content-Type": "application/octet-stream"}
            try:
                with self._open("PUT", kind, content_hash, stream, headers):
                    pass
            except _Absent:
                raise FileUnavailable(f"{self.host} takes no files: it answered 404 Not Found") from None

    def _open(
        self,
        method: str,
        kind: str,
        content_hash: str,
        data: IO[bytes] | None = None,
        more: dict[str, str] | None = None,
    ) -> Any:
        headers = {"Authorization": proof.prove(self._key(), method, kind, content_hash, self._now()), **(more or {})}
        try:
            request = urllib.request.Request(  # noqa: S310 - the operator's own URL
                f"{self._url}{_BASE}{_path(kind, content_hash)}", method=method, headers=headers, data=data
            )
            long = method == "PUT" or kind == FOLDERS
            return self._opener.open(request, timeout=WORKING_SECONDS if long else TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            raise Unreachable(_said(error)) from None
        except ValueError as error:
            raise FileUnavailable(f"CLOUDIFY_API_URL is no URL that can be asked: {error}") from None

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        said = ""
        with contextlib.suppress(Exception):
            said = str(json.loads(error.read(1 << 16))["message"])
        text = f"{error.code} {error.reason}" + (f" - {said}" if said else "")
        if error.code == 404:
            return _Absent()
        if error.code >= 500:
            return Unreachable(f"it answered {text}")
        return FileUnavailable(f"{self.host} answered {text}")


class _Absent(Exception):
    """The API answered 404."""


def _path(kind: str, content_hash: str) -> str:
    if kind == FOLDERS:
        return f"{FOLDERS_PLACE}/{content_hash}".rstrip("/")
    return f"{PLACE}/{kind}/{content_hash}"


def _read(answer: Any) -> bytes:
    try:
        block: bytes = answer.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the answer broke off: {_said(error)}") from None
    return block


def _said(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__


@contextlib.contextmanager
def _disk(target: Path) -> Any:
    try:
        yield
    except OSError as error:
        raise FileUnavailable(f"this host cannot write to {target.parent}: {error.strerror or error}") from None


def _writing(target: Path) -> IO[bytes]:
    with _disk(target):
        return target.open("wb")
