"""Packets of sftp: cut as their lengths say, fields read within them, nothing beyond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sftp_talk import packets, u32

from gatekeep.protocols.ssh.files import sftp_packets as p


@given(st.lists(st.binary(max_size=40)), st.integers(1, 9))
def test_a_stream_is_cut_the_same_in_any_pieces(bodies: list[bytes], piece: int) -> None:
    """Each packet comes out once, whole and in order; the rest is held."""
    whole = b"".join(p.packet(p.STAT, body) for body in bodies) + b"\0\0"
    stream = p.Stream(100)
    found = []
    for at in range(0, len(whole), piece):
        stream.feed(whole[at : at + piece])
        while (packet := stream.packet()) is not None:
            found.append(packet)
    assert found == [p.packet(p.STAT, body) for body in bodies]
    assert stream.held == 2


@pytest.mark.parametrize("length", [0, 101, 0xFFFFFFFF])
def test_a_length_that_cannot_be_is_malformed_at_once(length: int) -> None:
    """Before any of its bytes are there."""
    stream = p.Stream(100)
    stream.feed(u32(length))
    with pytest.raises(p.Malformed):
        stream.packet()


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\0\0\0", p.Fields.u32), (b"\0" * 7, p.Fields.u64), (u32(3) + b"ab", p.Fields.name),
        (u32(9) + b"a" * 9, lambda fields: fields.string(8)), (u32(2) + b"a\0", p.Fields.name),
        (u32(0x10), p.Fields.attributes), (u32(1) + b"\0" * 7, p.Fields.attributes),
        (u32(p.ATTR_EXTENDED) + u32(0xFFFFFFFF) + u32(0) * 3, p.Fields.attributes),
        (b"x", p.Fields.end),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_are_malformed(data: bytes, read: object) -> None:
    """Cut off, too long, with a zero byte, with unknown attributes, or more than there should be."""
    with pytest.raises(p.Malformed):
        read(p.Fields(data, 0))  # type: ignore[operator] # a method, by table


def test_attributes_are_read_in_their_order() -> None:
    """Size, owner, mode, times, and pairs of extensions."""
    flags = p.ATTR_SIZE | p.ATTR_OWNER | p.ATTR_MODE | p.ATTR_TIMES | p.ATTR_EXTENDED
    block = u32(flags) + bytes(7) + b"\5" + b"".join(map(u32, (1, 2, 0o644, 3, 4, 1)))
    fields = p.Fields(block + p.string(b"k") + p.string(b"v"), 0)
    found = fields.attributes()
    fields.end()
    assert (found.size, found.owner, found.mode, found.times) == (5, (1, 2), 0o644, (3, 4))
    assert (found.start, found.end) == (0, len(fields.data))


def test_a_status_says_its_code_and_words() -> None:
    """In the form of version 3: code, message, language."""
    (packet,) = packets(p.status(7, p.FAILURE, "né"))
    fields = p.Fields(packet, 4)
    kind, number = packet[4], int.from_bytes(packet[5:9], "big")
    fields.at = 9
    assert (kind, number, fields.u32()) == (p.STATUS, 7, p.FAILURE)
    assert (fields.string(99), fields.string(99)) == ("né".encode(), b"en")
    fields.end()
