"""A right password costs argon2 once a minute; a wrong one every time."""

from __future__ import annotations

from manager_core.access.passwords import REMEMBERED_SECONDS, Passwords


def test_a_right_password_is_remembered_for_a_minute() -> None:
    passwords = Passwords(8)
    stored = passwords.hash("right")
    assert passwords.remembered_until("u", "right", stored) is None
    assert passwords.verify("u", "right", stored, 5.0) == 5.0 + REMEMBERED_SECONDS
    assert passwords.remembered_until("u", "right", stored) == 5.0 + REMEMBERED_SECONDS


def test_what_is_remembered_fits_one_user_one_password_and_one_stored_hash() -> None:
    passwords = Passwords(8)
    stored = passwords.hash("right")
    passwords.verify("u", "right", stored, 0.0)
    assert passwords.remembered_until("v", "right", stored) is None
    assert passwords.remembered_until("u", "wrong", stored) is None
    assert passwords.remembered_until("u", "right", passwords.hash("right")) is None


def test_a_wrong_password_is_never_remembered() -> None:
    passwords = Passwords(8)
    stored = passwords.hash("right")
    assert passwords.verify("u", "wrong", stored, 0.0) is None
    assert passwords.remembered_until("u", "wrong", stored) is None


def test_a_broken_stored_hash_lets_nobody_in() -> None:
    assert Passwords(8).verify("u", "right", "not a hash", 0.0) is None


def test_no_password_is_kept_in_memory() -> None:
    passwords = Passwords(8)
    passwords.verify("u", "a-rare-password", passwords.hash("a-rare-password"), 0.0)
    assert "a-rare-password" not in repr(vars(passwords))
