"""The target's answers in sftp, as a client may see them: checked against what was asked, and clean.

A target may be hostile. What does not have the form it must have is Malformed; names that would act
on the client, or on the terminal of whoever looks, are left out.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from gatekeep.messages import printable
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.sftp_actions import EXTENSIONS
from gatekeep.protocols.ssh.files.sftp_names import has_controls, is_entry, shown, without_controls

_VERSION: Final = 3
_MOST_MESSAGE: Final = 1024
_U32: Final = struct.Struct(">I")
_LIMITS: Final = struct.Struct(">QQQQ")
_OUR_LIMITS: Final = (256 * 1024, 256 * 1024 - 1024, 256 * 1024 - 1024, 1024)
_OURS: Final = "gatekeep"


class Status(NamedTuple):
    """A STATUS: `message` is the target's, cleaned; `packet` what the client may see."""

    code: int
    message: bytes
    packet: bytes


class Listing(NamedTuple):
    """A READDIR's answer: what is left of it, and the names that were dropped, as text."""

    packet: bytes
    entries: int
    dropped: tuple[str, ...]


def read_version(packet: bytes) -> tuple[bytes, frozenset[bytes]]:
    """The VERSION for the client, and the extensions that it offers: those that we understand."""
    fields = p.Fields(packet, 5)
    version = fields.u32()
    if version != _VERSION:
        raise p.Malformed(f"sftp version {version}")
    offered: dict[bytes, bytes] = {}
    while fields.left:
        name, data = fields.string(p.MOST_NAME), fields.string(p.MOST_NAME)
        if EXTENSIONS.get(name) == data:
            offered[name] = data
    parts = [p.string(name) + p.string(data) for name, data in offered.items()]
    return p.packet(p.VERSION, _U32.pack(_VERSION), *parts), frozenset(offered)


def read_status(packet: bytes) -> Status:
    """A STATUS; some targets leave out its last fields."""
    fields = p.Fields(packet, 9)
    code = fields.u32()
    message = fields.string(len(packet)) if fields.left else b""
    language = fields.string(len(packet)) if fields.left else b""
    text = printable(message.decode("utf-8", "replace"), _MOST_MESSAGE)
    if text.strip().lower().startswith(_OURS):
        text = f"target says: {text}"
    clean = text.encode("utf-8", "replace")
    if clean == message and language in (b"", b"en"):
        return Status(code, clean, packet)
    number = int.from_bytes(packet[5:9], "big")
    return Status(code, clean, p.status(number, code, text))


def read_handle(packet: bytes) -> bytes:
    """A HANDLE."""
    fields = p.Fields(packet, 9)
    handle = fields.string(p.MOST_HANDLE)
    fields.end()
    if not handle:
        raise p.Malformed("a handle without a name")
    return handle


def check_attributes(packet: bytes) -> bytes:
    """An ATTRS."""
    fields = p.Fields(packet, 9)
    fields.attributes()
    fields.end()
    return packet


def read_listing(packet: bytes) -> Listing:
    """A NAME that answers READDIR, without names that are no entries and without controls."""
    fields = p.Fields(packet, 9)
    count = fields.u32()
    kept: list[bytes] = []
    dropped: list[str] = []
    changed = False
    for _ in range(count):
        name = fields.string(p.MOST_FROM_TARGET)
        long_name = fields.string(p.MOST_FROM_TARGET)
        found = fields.attributes()
        if not is_entry(name) or len(name) > p.MOST_NAME:
            dropped.append(printable(shown(name[:256])))
            continue
        clean = without_controls(long_name)
        changed = changed or clean != long_name
        kept.append(p.string(name) + p.string(clean) + packet[found.start : found.end])
    fields.end()
    if dropped or changed:
        number = int.from_bytes(packet[5:9], "big")
        packet = p.request(p.NAME, number, _U32.pack(len(kept)), *kept)
    return Listing(packet, len(kept), tuple(dropped))


def read_name(packet: bytes) -> bytes:
    """The one name of a NAME that answers REALPATH and its kind."""
    fields = p.Fields(packet, 9)
    if fields.u32() != 1:
        raise p.Malformed("not one name")
    name = fields.string(p.MOST_FROM_TARGET)
    fields.string(p.MOST_FROM_TARGET)
    fields.attributes()
    fields.end()
    return name


def clean_name(packet: bytes, name: bytes) -> bytes | None:
    """The same NAME with our long name; None where the name itself would act on a terminal."""
    if has_controls(name) or len(name) > p.MOST_NAME:
        return None
    number = int.from_bytes(packet[5:9], "big")
    return p.request(
        p.NAME, number, _U32.pack(1), p.string(name), p.string(name), _U32.pack(0)
    )


def clean_extended(operation: str, packet: bytes) -> bytes:
    """An EXTENDED_REPLY by the form that the extension gives it; limits are never above ours."""
    fields = p.Fields(packet, 9)
    if operation == "limits":
        theirs = [fields.u64() for _ in range(4)]
        fields.end()
        least = [min(their or our, our) for their, our in zip(theirs, _OUR_LIMITS, strict=True)]
        return p.request(p.EXTENDED_REPLY, int.from_bytes(packet[5:9], "big"), _LIMITS.pack(*least))
    if operation == "users-groups-by-id":
        lists = [_clean_list(fields.string(p.MOST_FROM_TARGET)) for _ in range(2)]
        fields.end()
        number = int.from_bytes(packet[5:9], "big")
        return p.request(p.EXTENDED_REPLY, number, *map(p.string, lists))
    for _ in range(11):  # statvfs: numbers only
        fields.u64()
    fields.end()
    return packet


def _clean_list(packed: bytes) -> bytes:
    fields = p.Fields(packed, 0)
    names: list[bytes] = []
    while fields.left:
        names.append(p.string(without_controls(fields.string(p.MOST_NAME))))
    return b"".join(names)
