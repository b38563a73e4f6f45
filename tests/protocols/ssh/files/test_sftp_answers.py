"""The target's answers: what has not the form it must have is malformed, what acts is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sftp_talk import named, u32, u64, version

from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.sftp_answers import (
    check_attributes,
    clean_extended,
    clean_name,
    read_handle,
    read_listing,
    read_name,
    read_status,
    read_version,
)
from gatekeep.protocols.ssh.files.sftp_names import is_entry

READERS = (
    read_handle, read_listing, read_name, check_attributes, read_status,
    lambda packet: clean_extended("limits", packet), lambda packet: clean_extended("statvfs", packet),
    lambda packet: clean_extended("users-groups-by-id", packet),
)  # fmt: skip


@given(st.integers(0, len(READERS) - 1), st.integers(0, 255), st.binary(max_size=80))
def test_any_bytes_are_read_or_malformed(which: int, kind: int, body: bytes) -> None:
    """Nothing else is raised, however they lie about lengths and counts."""
    try:
        READERS[which](p.request(kind, 1, body))
    except p.Malformed:
        return


def test_version_offers_what_we_understand_in_the_version_that_we_do() -> None:
    """Once each, whatever the target says."""
    told = version({b"fsync@openssh.com": b"1", b"statvfs@openssh.com": b"3", b"evil": b"1"})
    packet, offered = read_version(told)
    assert offered == {b"fsync@openssh.com"}
    assert packet == version({b"fsync@openssh.com": b"1"})
    for bad in (version(number=2), p.packet(p.VERSION, u32(3), b"\0")):
        with pytest.raises(p.Malformed):
            read_version(bad)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("No such file", "No such file"),
        ("a\x1bb", "a\\x1bb"),
        ("  GateKeep: x", "target says:   GateKeep: x"),
        ("x" * 3000, "x" * 1024 + "…"),
    ],
)
def test_messages_are_cleaned(message: str, shown: str) -> None:
    """What is clean passes as it came."""
    status = read_status(p.status(1, p.FAILURE, message))
    assert status.message.decode() == shown
    assert status.packet == p.status(1, p.FAILURE, shown)


def test_a_status_may_be_short() -> None:
    """Some targets send the code alone."""
    packet = p.request(p.STATUS, 1, u32(2))
    assert read_status(packet).code == 2


@given(st.lists(st.binary(max_size=6), max_size=8), st.binary(max_size=12))
def test_listings_keep_entries_and_nothing_else(names: list[bytes], long: bytes) -> None:
    """All good names in their order, long names without controls."""
    listing = read_listing(named(1, *names, long=long))
    good = [name for name in names if is_entry(name)]
    assert listing.entries == len(good)
    assert len(listing.dropped) == len(names) - len(good)
    again = read_listing(listing.packet)
    assert again.packet == listing.packet
    assert again.entries == len(good)


def test_one_name_is_one_name() -> None:
    """Two are malformed; one with controls cannot be shown, and its long name is ours."""
    assert read_name(named(1, b"/x", long=b"junk")) == b"/x"
    assert clean_name(named(1, b"/x", long=b"junk\x1b"), b"/x") == named(1, b"/x")
    assert clean_name(named(1, b"/\x1b"), b"/\x1b") is None
    for bad in (named(1), named(1, b"a", b"b")):
        with pytest.raises(p.Malformed):
            read_name(bad)


def test_limits_are_never_above_ours() -> None:
    """A client would send packets that we do not take; 0 means that the target does not say."""
    packet = p.request(p.EXTENDED_REPLY, 1, u64(1 << 40), u64(0), u64(1000), u64(5))
    fields = p.Fields(clean_extended("limits", packet), 9)
    assert [fields.u64() for _ in range(4)] == [262144, 261120, 1000, 5]


def test_names_of_ids_lose_their_controls() -> None:
    """They are shown in listings."""
    packet = p.request(p.EXTENDED_REPLY, 1, p.string(p.string(b"ro\x1bot")), p.string(b""))
    wanted = p.request(p.EXTENDED_REPLY, 1, p.string(p.string(b"ro?ot")), p.string(b""))
    assert clean_extended("users-groups-by-id", packet) == wanted
