"""Secrets under a passphrase: what goes out comes back, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager_core.errors import BadParameters
from manager_core.secrets.passphrase import Passphrase

TOKEN = "gAAAAABrAi-uefa7j2jitgH2vgK2VCpKS6lbo_dqn45Li7jKuE9l2GqDyAIENRlS4biQx1Yk0sR0G23_IiptrJt-5TIRJLgtyw=="
KEY = Passphrase("a long passphrase")


@given(st.text())
def test_a_text_comes_back(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert KEY.decrypt(KEY.encrypt(text, 0)) == text


def test_tokens_of_other_managers_are_read() -> None:
    # Made by the reference's own functions with this passphrase.
    assert KEY.decrypt(TOKEN) == "sesame"


@pytest.mark.parametrize("token", ["", "nonsense", "é", "gAAAAA==", "====", "gAAAAABh" * 12])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(BadParameters, match="the passphrase is another one"):
        KEY.decrypt(token)


def test_another_passphrase_is_refused() -> None:
    with pytest.raises(BadParameters, match="the passphrase is another one"):
        Passphrase("another passphrase").decrypt(KEY.encrypt("sesame", 0))
