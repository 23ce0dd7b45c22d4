"""User data for cloud servers, put together from parts."""

from __future__ import annotations

import email
from collections.abc import Iterable, Iterator
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import PurePath

from cloudify.exceptions import NonRecoverableError

SCRIPT_MIME_TYPE = "text/x-shellscript"

mapping_prefixes = {
    "#include": "text/x-include-url",
    "#include-once": "text/x-include-once-url",
    "#cloud-config": "text/cloud-config",
    "#cloud-config-archive": "text/cloud-config-archive",
    "#upstart-job": "text/upstart-job",
    "#part-handler": "text/part-handler",
    "#cloud-boothook": "text/cloud-boothook",
    "#!": SCRIPT_MIME_TYPE,
    "rem cmd": SCRIPT_MIME_TYPE,
    "#ps1_sysnative": SCRIPT_MIME_TYPE,
    "#ps1_x86": SCRIPT_MIME_TYPE,
}
"""How the first line of a part begins → its MIME type, as cloud-init has it."""

script_extensions = {"#!": "sh", "rem cmd": "cmd", "#ps1_sysnative": "ps1", "#ps1_x86": "ps1"}
"""How the first line of a script begins → the ending of its file name, which Windows goes by."""


def create_multi_mimetype_userdata(userdatas: Iterable[str]) -> str:
    """Return one message with several parts of user data, in their order.

    Args:
        userdatas: scripts, cloud-init texts, or messages of several parts, which are taken apart.

    Raises:
        NonRecoverableError: a part's first line tells no type.
    """
    whole = MIMEMultipart()
    number = 0
    for text in userdatas:
        for part, ending in _parts(text):
            name = f"{number:03d}" + (f".{ending}" if ending else "")
            del part["Content-Disposition"]
            part.add_header("Content-Disposition", "attachment", filename=name)
            whole.attach(part)
            number += 1
    return whole.as_string()


def _parts(text: str) -> Iterator[tuple[Message, str]]:
    """Return each part of a user data, and the ending of its file name or ''."""
    message = email.message_from_string(text)
    if message.is_multipart():
        for part in message.walk():
            if part.get_content_maintype() != "multipart":
                yield part, PurePath(part.get_filename() or "").suffix.lstrip(".")
        return
    first_line = text.split("\n", 1)[0]
    kind = _longest(mapping_prefixes, first_line)
    if kind is None:
        raise NonRecoverableError(f"No type of user data begins with {first_line!r}")
    subtype = kind.partition("/")[2]
    yield MIMEText(text, subtype, "utf-8"), _longest(script_extensions, first_line) or ""


def _longest(table: dict[str, str], line: str) -> str | None:
    """Return the value of the longest key that a line begins with."""
    matching = [prefix for prefix in table if line.startswith(prefix)]
    return table[max(matching, key=len)] if matching else None
