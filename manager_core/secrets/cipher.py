"""Encryption of secrets at rest: Fernet under the operator's key, or under a key file in the data directory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from manager_core.errors import Kind, ManagerError

KEY_FILE = "secret-key"
_SALT = b"cloudify-manager secrets"


class Cipher:
    """Turns values into what the database keeps, and back."""

    def __init__(self, key: bytes) -> None:
        """Use a Fernet key."""
        self._key = key
        self._fernet = Fernet(key)

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that only holders of the key can make, others for every purpose."""
        return hmac.new(base64.urlsafe_b64decode(self._key), purpose.encode(), hashlib.sha256).digest()

    def encrypt(self, value: Any) -> str:
        """Return the token that is stored for a JSON value."""
        return self._fernet.encrypt(json.dumps(value).encode()).decode()

    def decrypt(self, token: str, name: str) -> Any:
        """Return the value behind a stored token.

        Args:
            name: the secret's key, for the message.

        Raises:
            ManagerError: it was encrypted under another key.
        """
        try:
            return json.loads(self._fernet.decrypt(token.encode()))
        except InvalidToken:
            raise ManagerError(
                f"The secret `{name}` cannot be decrypted: it was stored under another CLOUDIFY_SECRET_KEY "
                f"(or another {KEY_FILE} file)",
                kind=Kind.INTERNAL,
            ) from None


def cipher_from(setting: str | None, data_dir: Path) -> Cipher:
    """Return the cipher of an installation.

    Args:
        setting: the operator's key: a Fernet key, or any text, from which one is derived; None for the key file.
        data_dir: where the key file is, or is made.
    """
    if setting is None:
        return Cipher(_key_file(data_dir / KEY_FILE))
    try:
        return Cipher(setting.encode())
    except ValueError:
        derived = hashlib.scrypt(setting.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=32)
        return Cipher(base64.urlsafe_b64encode(derived))


def _key_file(path: Path) -> bytes:
    """Read the key file; make it, whole and readable by its owner alone, when it is missing."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # two processes may start at once: the first one's key holds
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes().strip()
