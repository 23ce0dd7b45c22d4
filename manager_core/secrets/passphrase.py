"""Secrets under a passphrase, in the format in which managers exchange them (`cfy secrets export` and `import`).

A token is Fernet's but for the cipher: AES with 256 bits. Its two keys come from the passphrase.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from manager_core.errors import BadParameters

_ITERATIONS = 100_000
_SALT = b"salt_"
_VERSION = b"\x80"
_SIGNATURE = 32
_HEAD = 1 + 8 + 16
"""Version, time of writing and initialisation vector."""


class Passphrase:
    """Encrypts and decrypts texts under a passphrase; making one costs tens of milliseconds on purpose."""

    def __init__(self, text: str) -> None:
        """Derive the keys."""
        derived = hashlib.pbkdf2_hmac("sha256", text.encode(), _SALT, _ITERATIONS, dklen=64)
        self._signing_key, self._encryption_key = derived[:32], derived[32:]

    def encrypt(self, text: str, written_at: int) -> str:
        """Return the token of a text.

        Args:
            written_at: seconds since the epoch, kept in the token.
        """
        vector = os.urandom(16)
        padder = PKCS7(128).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        encryptor = self._cipher(vector).encryptor()
        body = _VERSION + written_at.to_bytes(8, "big") + vector + encryptor.update(padded) + encryptor.finalize()
        return urlsafe_b64encode(body + self._signature(body)).decode()

    def decrypt(self, token: str) -> str:
        """Return the text of a token.

        Raises:
            BadParameters: it is no token, or was made with another passphrase.
        """
        try:
            whole = urlsafe_b64decode(token.encode())
            body, signature = whole[:-_SIGNATURE], whole[-_SIGNATURE:]
            if not body.startswith(_VERSION) or not hmac.compare_digest(signature, self._signature(body)):
                raise ValueError("signature")
            decryptor = self._cipher(body[9:_HEAD]).decryptor()
            padded = decryptor.update(body[_HEAD:]) + decryptor.finalize()
            unpadder = PKCS7(128).unpadder()
            return (unpadder.update(padded) + unpadder.finalize()).decode()
        except ValueError:
            raise BadParameters("The value cannot be decrypted: the passphrase is another one") from None

    def _cipher(self, vector: bytes) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._encryption_key), modes.CBC(vector))

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._signing_key, body, hashlib.sha256).digest()
