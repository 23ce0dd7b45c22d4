"""Make text that a plugin produced acceptable to both databases. Pure.

A string of Python may hold what UTF-8 cannot say (lone surrogates) and what PostgreSQL does not keep (U+0000). Neither
may cost an execution its events: both become U+FFFD.
"""

from __future__ import annotations

from typing import Any

REPLACEMENT = "\ufffd"


def clean_text(text: str) -> str:
    """Return `text` with what cannot be stored replaced; almost always the same object."""
    if "\x00" in text:
        text = text.replace("\x00", REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= character <= "\udfff" else character for character in text)
    return text


def clean(value: Any) -> Any:
    """Return a JSON-like value with all of its texts cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value
