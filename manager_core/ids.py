"""Sources of identifiers and secrets: the only module that asks for randomness."""

from __future__ import annotations

import hashlib
import secrets
import uuid

_SUFFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_TOKEN_ALPHABET = _SUFFIX_ALPHABET + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def new_id() -> str:
    """Return a random UUID as text."""
    return str(uuid.uuid4())


def instance_suffix() -> str:
    """Return six characters of `a-z0-9`, the random part of a node instance's id."""
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(6))


def token_text(length: int) -> str:
    """Return `length` random letters and digits."""
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))


def execution_token() -> str:
    """Return 32 random hexadecimal characters."""
    return secrets.token_hex(16)


def password_text() -> str:
    """Return a generated password that is easy to copy (20 letters and digits)."""
    return token_text(20)


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hexadecimal; what is stored instead of it."""
    return hashlib.sha256(secret.encode()).hexdigest()
