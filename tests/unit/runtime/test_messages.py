"""The wire format between execution processes and runners: frames survive any cutting, rubbish is refused."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager_core.runtime import messages
from manager_core.runtime.messages import FrameReader, MessageTooLarge, ProtocolError, decode, encode, receive, send

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)
MESSAGES = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)


@given(MESSAGES, st.integers(1, 17))
def test_messages_arrive_whole_however_the_stream_is_cut(sent: list[dict[str, Any]], size: int) -> None:
    """Any JSON objects, in any pieces, in order."""
    stream = b"".join(encode(message) for message in sent)
    reader = FrameReader()
    arrived = [message for at in range(0, len(stream), size) for message in reader.feed(stream[at : at + size])]
    assert arrived == sent


def test_text_beyond_unicode_survives() -> None:
    """Lone surrogates, as file names on Linux may hold."""
    assert decode(encode({"a": "\udcff"})[4:]) == {"a": "\udcff"}


def test_what_json_cannot_say_is_refused_when_it_is_sent() -> None:
    """Not at the other side."""
    with pytest.raises(TypeError):
        encode({"a": object()})
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises((ValueError, RecursionError)):
        encode({"a": cycle})


def test_a_message_over_the_limit_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender names the size, the receiver does not even begin to read."""
    monkeypatch.setattr(messages, "MAX_MESSAGE_BYTES", 10)
    with pytest.raises(MessageTooLarge, match="takes 17 bytes"):
        encode({"a": "123456789"})
    with pytest.raises(ProtocolError):
        FrameReader().feed(struct.pack("!I", 11))


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff\xfe", b'"text"'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """Whatever else it is."""
    with pytest.raises(ProtocolError):
        FrameReader().feed(struct.pack("!I", len(body)) + body)


def test_a_socket_gives_messages_and_then_the_end() -> None:
    """An orderly end is None, an end inside a frame an error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, {"a": 1})
        ours.sendall(encode({"b": 2})[:-1])
        ours.close()
        assert receive(theirs) == {"a": 1}
        with pytest.raises(ProtocolError):
            receive(theirs)
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        assert receive(theirs) is None
