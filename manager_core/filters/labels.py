"""Labels as requests give them, checked and normalised (REST contract §20.2). Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from manager_core.errors import BadParameters

RESERVED_PREFIX = "csys-"
RESERVED_KEYS = (
    "csys-obj-name", "csys-obj-type", "csys-env-type", "csys-wrcp-services", "csys-wrcp-group-id", "csys-location-name",
    "csys-location-lat", "csys-location-long", "csys-obj-parent", "csys-environment",
)  # fmt: skip
"""The reserved keys that users may set; `csys-consumer-id` is computed."""

LONGEST = 256
FORM = "Labels must be a list of 1-entry dictionaries: [{<key1>: <value1>}, {<key2>: [<value2>, <value3>]}, ...]"
_KEY = re.compile(r"[a-z0-9._-]+")


def parse_labels(raw: Any) -> list[tuple[str, str]]:
    """Return the (key, value) pairs of a request's `labels`, in its order; keys lower-cased.

    Args:
        raw: `[{"k": "v"}, {"k": ["v1", "v2"]}]`, or `[{"key": "k", "value": "v"}]` as answers show labels; None is
            no label.

    Raises:
        BadParameters: another form, an illegal key or value, a reserved key, or a pair that comes twice.
    """
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise BadParameters(FORM)
    pairs: list[tuple[str, str]] = []
    for entry in raw:
        if not isinstance(entry, dict):
            raise BadParameters(FORM)
        if set(entry) >= {"key", "value"}:
            given_key, given = entry["key"], entry["value"]
        elif len(entry) == 1:
            given_key, given = next(iter(entry.items()))
        else:
            raise BadParameters(FORM)
        for value in given if isinstance(given, list) else [given]:
            if not isinstance(given_key, str) or not isinstance(value, str):
                raise BadParameters(FORM)
            pairs.append((label_key(given_key), label_value(given_key, value)))
    if len(set(pairs)) != len(pairs):
        raise BadParameters("You cannot define the same label twice")
    return pairs


def label_key(given: str) -> str:
    """Return a label's key as it is kept.

    Raises:
        BadParameters: it is empty, too long, has illegal characters or is reserved.
    """
    key = given.lower()
    if not key:
        raise BadParameters("The label's key is empty")
    if len(key) > LONGEST:
        raise BadParameters(f"The key `{given}` is too long. Maximum allowed length is {LONGEST} characters")
    if not _KEY.fullmatch(key):
        raise BadParameters(
            f"The key `{given}` contains illegal characters. "
            "Only letters, digits and the characters `-`, `.` and `_` are allowed"
        )
    if key.startswith(RESERVED_PREFIX) and key not in RESERVED_KEYS and key != "csys-consumer-id":
        raise BadParameters(
            f"The key `{given}` is reserved: of the keys that start with `{RESERVED_PREFIX}` "
            f"only these can be set: {', '.join(RESERVED_KEYS)}"
        )
    return key


def label_value(key: str, given: str) -> str:
    """Return a label's value as it is kept.

    Raises:
        BadParameters: it is empty, too long or has illegal characters.
    """
    value = unicodedata.normalize("NFKC", given)
    if not value:
        raise BadParameters(f"The value of the key `{key}` is empty")
    if len(value) > LONGEST:
        raise BadParameters(f"The value of the key `{key}` is too long. Maximum allowed length is {LONGEST} characters")
    if '"' in value or any(unicodedata.category(character) == "Cc" for character in value):
        raise BadParameters(
            f"The value `{given}` of the key `{key}` contains illegal characters. "
            'Control characters and `"` are not allowed'
        )
    return value
