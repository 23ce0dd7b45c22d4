"""The secret key of the manager that is moved: found before anything is copied, because nothing is worth it without."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from manager_core.errors import ManagerError
from manager_core.moving.source import MoveRefused
from manager_core.secrets.agreement import fingerprint_of
from manager_core.secrets.cipher import KEY_FILE, Cipher, cipher_from
from manager_core.settings import Settings
from manager_core.store.metadata import metadata


@dataclass(frozen=True)
class MovedKey:
    """The key and how the new processes get it.

    Attributes:
        fingerprint: see `secrets.agreement`; None while there is no key.
        file: a key file to carry over; None when the operator's setting is the key.
        advice: what to set, for people.
    """

    fingerprint: str | None
    file: Path | None
    advice: str


def find_key(source: Connection, folder: Path, settings: Settings) -> MovedKey:
    """Return the key that the secrets are encrypted with.

    Raises:
        MoveRefused: it is not at hand, or the new data directory has another one.
    """
    file = folder / KEY_FILE
    if settings.secret_key is None and not file.is_file():
        if _first_unreadable(source, None) is not None:
            raise MoveRefused(
                f"the secrets are encrypted, and {file} is missing: set CLOUDIFY_SECRET_KEY to the key the manager had"
            )
        return MovedKey(
            None, None, f"There are no secrets yet. Set one {_SETTING} on all hosts before the first start."
        )
    cipher = cipher_from(settings.secret_key, folder)
    unreadable = _first_unreadable(source, cipher)
    if unreadable is not None:
        held = "CLOUDIFY_SECRET_KEY" if settings.secret_key is not None else str(file)
        hint = (
            f"; {file} is there: unset CLOUDIFY_SECRET_KEY"
            if settings.secret_key is not None and file.is_file()
            else ""
        )
        raise MoveRefused(f"the secret `{unreadable}` is encrypted with another key than {held}{hint}")
    if settings.secret_key is not None:
        return MovedKey(fingerprint_of(cipher), None, f"Secrets stay encrypted with the {_SETTING} that is set now.")
    target = settings.data_dir / KEY_FILE
    if target.is_file() and target.read_bytes().strip() != file.read_bytes().strip():
        raise MoveRefused(f"{target} is another key than {file}: remove it, or give another --data-dir")
    return MovedKey(
        fingerprint_of(cipher),
        file,
        f"Secrets stay encrypted with the key in {target}. On every other host set {_SETTING} to what that file holds.",
    )


_SETTING = "CLOUDIFY_SECRET_KEY"


def carry_over(key: MovedKey, data_dir: Path) -> None:
    """Put the key file into the new data directory, readable by its owner alone."""
    target = data_dir / KEY_FILE
    if key.file is None or target.is_file():
        return
    partial = target.with_name(f".{KEY_FILE}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(key.file.read_bytes())
        os.fsync(stream.fileno())
    partial.replace(target)


def _first_unreadable(source: Connection, cipher: Cipher | None) -> str | None:
    """Return the key of a secret that the cipher does not decrypt, None when it decrypts all."""
    table = metadata.tables["secrets"]
    for row in source.execute(select(table.c.key, table.c.encrypted_value)):
        if cipher is None:
            return str(row.key)
        try:
            cipher.decrypt(row.encrypted_value, row.key)
        except ManagerError:
            return str(row.key)
    return None
