"""What a PasswordSecret does in its lifecycle."""

from __future__ import annotations

import string
from secrets import SystemRandom
from typing import Any

from cloudify import ctx, manager
from cloudify.decorators import operation
from cloudify.exceptions import NonRecoverableError
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_types import uploads
from cloudify_types.clients import final, is_missing, setting

SHORTEST = 6
GROUPS = {
    "uppercase": string.ascii_uppercase,
    "lowercase": string.ascii_lowercase,
    "digits": string.digits,
    "symbols": " " + string.punctuation,
}
"""Property → its characters. The property says how many at least; -1 says none at all."""


def _wish(inputs: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Return the length and the least numbers of the groups.

    Raises:
        NonRecoverableError: no password can be so.
    """
    length = int(setting("length", inputs) or 0)
    least = {name: int(setting(name, inputs) or 0) for name in GROUPS}
    if length < SHORTEST:
        raise NonRecoverableError(f"A password needs at least {SHORTEST} characters")
    if min(least.values()) < -1:
        raise NonRecoverableError(
            "A group of characters takes a number from 0 on of those the password has at least, or -1 for none of them"
        )
    if max(least.values()) == -1:
        raise NonRecoverableError(
            "There is nothing to make a password of: every group of characters is switched off by -1"
        )
    if sum(max(number, 0) for number in least.values()) > length:
        raise NonRecoverableError("The groups of characters ask for more characters together than the password has")
    return length, least


@final
def creation_validation(**kwargs: Any) -> bool:
    """Refuse a password that cannot be made."""
    _wish(kwargs)
    return True


@operation(resumable=True)
@final
def create(**kwargs: Any) -> bool:
    """Make a password and store it as a secret; runtime properties: ``secret_name``, ``password`` (its call)."""
    properties = ctx.instance.runtime_properties
    client = manager.get_rest_client()
    name = setting("secret_name", kwargs)
    if properties.get("password"):
        return True
    if setting("use_secret_if_exists", kwargs):
        if not name:
            raise NonRecoverableError("use_secret_if_exists needs the secret's name in secret_name")
        if _has(client, name):
            ctx.logger.info("The password of secret `%s` is used", name)
            properties.update(secret_name=name, password={"get_secret": name})
            return True
    name = name or f"ps_{ctx.deployment.id}_{ctx.instance.id}"
    length, least = _wish(kwargs)
    uploads.make_secrets(client, {name: _password(length, least)})
    properties.update(secret_name=name, password={"get_secret": name})
    ctx.logger.info("The password was made and is kept as a secret")
    return True


def _password(length: int, least: dict[str, int]) -> str:
    random = SystemRandom()
    letters = [random.choice(GROUPS[name]) for name, number in least.items() for _ in range(number)]
    alphabet = "".join(GROUPS[name] for name, number in least.items() if number >= 0)
    letters += random.choices(alphabet, k=length - len(letters))
    random.shuffle(letters)
    return "".join(letters)


def _has(client: Any, name: str) -> bool:
    try:
        client.secrets.get(name)
    except CloudifyClientError as error:
        if is_missing(error):
            return False
        raise
    return True


@operation(resumable=True)
@final
def delete(**kwargs: Any) -> None:
    """Delete the secret that was made; one that was there before stays."""
    uploads.delete_secrets(manager.get_rest_client())
    for key in ("password", "secret_name"):
        ctx.instance.runtime_properties.pop(key, None)
