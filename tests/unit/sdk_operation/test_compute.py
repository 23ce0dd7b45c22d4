"""User data put together from parts (`cloudify.compute`)."""

from __future__ import annotations

import email

import pytest


def parts(text: str) -> list[tuple[str, str | None, str]]:
    """Return type, file name and text of each part of a message."""
    message = email.message_from_string(text)
    assert message.is_multipart()
    found = []
    for part in message.get_payload():
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        found.append((part.get_content_type(), part.get_filename(), content.decode()))  # type: ignore[union-attr]
    return found


def test_each_part_has_its_type_and_a_name_in_its_order() -> None:
    """By the first line; scripts for Windows need their ending."""
    from cloudify.compute import create_multi_mimetype_userdata

    text = create_multi_mimetype_userdata(["#!/bin/sh\necho é", "#cloud-config\na: 1", "#ps1_sysnative\nx"])
    assert parts(text) == [
        ("text/x-shellscript", "000.sh", "#!/bin/sh\necho é"),
        ("text/cloud-config", "001", "#cloud-config\na: 1"),
        ("text/x-shellscript", "002.ps1", "#ps1_sysnative\nx"),
    ]


def test_a_message_of_parts_is_taken_apart() -> None:
    """Its parts keep type and ending, and are numbered anew."""
    from cloudify.compute import create_multi_mimetype_userdata

    inner = create_multi_mimetype_userdata(["#include-once\nhttp://a", "rem cmd\nx"])
    found = parts(create_multi_mimetype_userdata(["#!/bin/sh", inner]))
    assert [(kind, name) for kind, name, _ in found] == [
        ("text/x-shellscript", "000.sh"),
        ("text/x-include-once-url", "001"),
        ("text/x-shellscript", "002.cmd"),
    ]


def test_a_part_of_no_known_type_is_refused() -> None:
    """With its first line."""
    from cloudify.compute import create_multi_mimetype_userdata
    from cloudify.exceptions import NonRecoverableError

    with pytest.raises(NonRecoverableError, match="No type of user data begins with 'hello'"):
        create_multi_mimetype_userdata(["hello\nworld"])
