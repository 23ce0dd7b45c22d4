"""The rules for ids in paths (REST contract §1.5)."""

from __future__ import annotations

import re

from manager_core.errors import BadParameters

_LEGAL = re.compile(r"[A-Za-z0-9._-]+")
MAX_LENGTH = 256


def check_id(value: str, argument: str, *, any_first: bool = False) -> str:
    """Return `value` when it may name a resource.

    Args:
        value: the id.
        argument: how the id is called in the message, for instance `blueprint_id`.
        any_first: also accept a first character that is no letter (deployment ids).

    Raises:
        BadParameters: with the text clients expect.
    """
    if not value:
        raise BadParameters(f"The `{argument}` argument is empty")
    if len(value) > MAX_LENGTH:
        raise BadParameters(f"The `{argument}` argument is too long. Maximum allowed length is {MAX_LENGTH} characters")
    if not _LEGAL.fullmatch(value):
        raise BadParameters(
            f"The `{argument}` argument contains illegal characters. "
            'Only letters, digits and the characters "-", "." and "_" are allowed'
        )
    if not any_first and not value[0].isalpha():
        raise BadParameters(f"The `{argument}` argument must begin with a letter")
    return value
