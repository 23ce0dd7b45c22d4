"""Names that plugins of version 5 and 6 import to run on Python 2 and 3; here there is only Python 3."""

from __future__ import annotations

import builtins
import queue
from io import StringIO
from typing import NoReturn
from urllib.parse import parse_qs, quote, unquote, urlencode, urljoin, urlparse, urlsplit, urlunparse
from urllib.request import pathname2url, url2pathname

PY2 = False
PY3 = True
text_type = str
exec_ = exec


def reraise(exception_type: type[BaseException], value: BaseException, traceback: object = None) -> NoReturn:
    """Raise an exception with the traceback of its first raising."""
    raise value.with_traceback(traceback)  # type: ignore[arg-type]


__all__ = [
    "PY2", "PY3", "StringIO", "builtins", "exec_", "parse_qs", "pathname2url", "queue", "quote", "reraise", "text_type",
    "unquote", "url2pathname", "urlencode", "urljoin", "urlparse", "urlsplit", "urlunparse",
]  # fmt: skip
