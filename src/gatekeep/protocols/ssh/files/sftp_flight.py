"""What is on its way to the target and what it opened: each answer is matched, checked, counted.

The target's side of a conversation of sftp. It decides nothing and orders nothing (`sftp` does).
"""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_turns import Note, Relay, Settled, ToTarget, Turn
from gatekeep.protocols.ssh.files.sftp_answers import (
    Status,
    check_attributes,
    clean_extended,
    clean_name,
    read_handle,
    read_listing,
    read_name,
    read_status,
)
from gatekeep.protocols.ssh.files.sftp_handles import (
    Asked,
    Early,
    OpenHandle,
    Operation,
    Part,
    outcome_of,
)
from gatekeep.protocols.ssh.files.sftp_names import Name, Probe, shown

_READ_TAIL: Final = struct.Struct(">QI")
_FIRST_PROBE: Final = 0xF0000000
_LAST_NUMBER: Final = 0xFFFFFFFF
_MOST_NOTES: Final = 100
_NAMES_SHOWN: Final = 8
_NO_NAME: Final = "gatekeep: the target answered with a name that cannot be shown"
_NOTHING: Final = memoryview(b"")
#: The extensions by a handle, by how their names begin: fstatvfs and fsync.
_EXTENSION_ANSWERS: Final = {b"fstat": p.EXTENDED_REPLY, b"fsync": 0}
#: By a handle that was decided: what a success brings.
_BY_HANDLE: Final[dict[int, tuple[Part, int]]] = {
    p.READ: ("read", p.DATA), p.WRITE: ("write", 0), p.CLOSE: ("close", 0),
    p.READDIR: ("readdir", p.NAME), p.FSTAT: ("handle", p.ATTRS), p.FSETSTAT: ("handle", 0),
}  # fmt: skip


class Flight:
    """Requests that are not answered, by id, and open handles.

    `home` is where the target says that its names begin, None until it has said so.
    """

    __slots__ = ("_early", "_next_probe", "asked", "handles", "home", "notes")

    def __init__(self) -> None:
        self.asked: dict[int, Asked] = {}
        self.handles: dict[bytes, OpenHandle] = {}
        self.home: bytes | None = None
        self.notes = 0
        self._early = Early()
        self._next_probe = _FIRST_PROBE

    # --- towards the target -----------------------------------------------------------------------

    def ask_home(self) -> bytes:
        """A question of ours: where names begin."""
        number = self._number(())
        self.asked[number] = Asked("home", p.NAME)
        return p.request(p.REALPATH, number, p.string(b"."))

    def ask_name(self, operation: Operation, name: Name, probe: Probe, taken: Container[int]) -> bytes:
        """A question of ours about a name of an operation, under an id that nobody uses."""
        number = self._number(taken)
        asked = self.asked[number] = Asked("probe", p.NAME)
        asked.operation, asked.probe = operation, (name, probe)
        operation.owed += 1
        return p.request(p.REALPATH, number, p.string(probe.path))

    def _number(self, taken: Container[int]) -> int:
        while True:
            number = self._next_probe
            self._next_probe = number + 1 if number < _LAST_NUMBER else _FIRST_PROBE
            if number not in self.asked and number not in taken:
                return number

    def send(self, operation: Operation) -> bytes:
        """A released operation goes out, as the client wrote it."""
        asked = self.asked[operation.number] = Asked("operation", operation.plan.answers)
        asked.operation = operation
        packet, operation.packet = operation.packet, b""
        return packet

    def send_by_handle(self, number: int, packet: bytes, handle: OpenHandle) -> bytes:
        """A request by a handle goes out; READ asks for no more than we take."""
        kind = packet[4]
        part, brings = _BY_HANDLE.get(kind) or ("handle", _EXTENSION_ANSWERS[packet[13:18]])
        asked = self.asked[number] = Asked(part, brings, handle)
        handle.owed += 1
        if kind == p.READ:
            asked.offset, asked.length = _READ_TAIL.unpack_from(packet, len(packet) - 12)
            if asked.length > p.MOST_READ:
                asked.length = p.MOST_READ
                packet = packet[:-4] + p.MOST_READ.to_bytes(4, "big")
            handle.will_read(asked)
        elif kind == p.WRITE:
            at = 13 + int.from_bytes(packet[9:13], "big")
            handle.wrote(int.from_bytes(packet[at : at + 8], "big"), memoryview(packet)[at + 12 :])
        elif kind == p.READDIR:
            asked.packet = packet
        elif kind == p.FSETSTAT:
            size = p.Fields(packet, 13 + int.from_bytes(packet[9:13], "big")).attributes().size
            handle.truncated = handle.truncated if size is None else size
        elif kind == p.CLOSE:
            del self.handles[packet[13:]]
            handle.gone = True
        return packet

    # --- from the target --------------------------------------------------------------------------

    def answer(self, packet: bytes, turns: list[Turn]) -> Operation | None:
        """One packet of the target: what the client gets to see, and what is settled by it.

        Gives the operation that was answered, or of which a question was. Raises Malformed.
        """
        if len(packet) < 9:  # noqa: PLR2004 - length, type, request id
            raise p.Malformed("an answer without a request id")
        number = int.from_bytes(packet[5:9], "big")
        asked = self.asked.pop(number, None)
        if asked is None:
            raise p.Malformed("an answer to nothing that was asked")
        kind = packet[4]
        if kind == p.DATA and asked.part == "read":
            self._data(asked, packet, turns)
            return None
        _check_kind(asked, packet)
        if kind == p.STATUS:
            return self._status(asked, read_status(packet), turns)
        if asked.part == "readdir":
            self._listing(number, asked, packet, turns)
        elif asked.part == "home":
            home = read_name(packet)
            self.home = home if home.startswith(b"/") else b""
        elif asked.part == "probe":
            return self._named(asked, read_name(packet))
        elif asked.operation is not None:
            return self._success(asked.operation, packet, turns)
        else:
            turns.append(Relay(_checked("statvfs", kind, packet)))
            self._one_less(asked, turns)
        return None

    def _data(self, asked: Asked, packet: bytes, turns: list[Turn]) -> None:
        length = len(packet) - 13
        if length < 0 or length > asked.length or int.from_bytes(packet[9:13], "big") != length:
            raise p.Malformed("data of another length than was asked for")
        handle = asked.handle
        if handle is not None:
            handle.did_read(asked, memoryview(packet)[13:])
        turns.append(Relay(packet))
        self._one_less(asked, turns)

    def _status(self, asked: Asked, status: Status, turns: list[Turn]) -> Operation | None:
        if status.code == p.OK and asked.answers:
            raise p.Malformed("a success without what was asked for")
        if asked.part == "home":
            self.home = b""
            return None
        if asked.probe is not None:
            asked.probe[0].unanswered(missing=status.code == p.NO_SUCH_FILE)
            return _one_question_less(asked)
        turns.append(Relay(status.packet))
        if asked.operation is not None:
            outcome = outcome_of(status.code, status.message)
            turns.append(Settled(asked.operation.key, outcome, {}))
            if asked.operation.plan.operation == "copy-data" and status.code == p.OK:
                asked.operation.handles[1].copied += 1
            return asked.operation
        handle = asked.handle
        if handle is not None:
            if asked.part == "read":
                handle.did_read(asked, _NOTHING)
            if asked.part == "close":
                handle.closed = outcome_of(status.code, status.message)
            elif status.code not in (p.OK, p.EOF):
                handle.failed += 1
            self._one_less(asked, turns)
        return None

    def _listing(self, number: int, asked: Asked, packet: bytes, turns: list[Turn]) -> None:
        listing = read_listing(packet)
        handle = asked.handle
        if handle is None:
            return
        handle.entries += listing.entries
        if listing.dropped:
            if not handle.dropped:
                names = list(listing.dropped[:_NAMES_SHOWN])
                where = [shown(name.written) for name in handle.names]
                self._note(turns, {"cause": "names", "names": names, "in": where})
            handle.dropped += len(listing.dropped)
            if not listing.entries:
                # An empty list would mean the end to some clients: ask for the next one.
                self.asked[number] = asked
                turns.append(ToTarget(asked.packet))
                return
        turns.append(Relay(listing.packet))
        self._one_less(asked, turns)

    def _named(self, asked: Asked, real: bytes) -> Operation | None:
        if asked.probe is not None:
            name, probe = asked.probe
            name.answered(probe, real)
        return _one_question_less(asked)

    def _success(self, operation: Operation, packet: bytes, turns: list[Turn]) -> Operation:
        kind, plan = packet[4], operation.plan
        if kind == p.HANDLE:
            handle = read_handle(packet)
            if handle in self.handles:
                raise p.Malformed("a handle that is open already")
            self.handles[handle] = OpenHandle(operation, self._early)
            turns.append(Relay(packet))
            return operation
        outcome = Outcome(OutcomeKind.DONE)
        if kind == p.NAME:
            clean = clean_name(packet, read_name(packet))
            if clean is None:
                clean = p.status(operation.number, p.FAILURE, _NO_NAME)
                self._note(turns, {"cause": "name", "operation": plan.operation})
                outcome = Outcome(OutcomeKind.FAILED, tag="failure", message=_NO_NAME)
            packet = clean
        else:
            packet = _checked(plan.operation, kind, packet)
        turns.append(Relay(packet))
        turns.append(Settled(operation.key, outcome, {}))
        return operation

    def _one_less(self, asked: Asked, turns: list[Turn]) -> None:
        """A request by a handle was answered; a closed handle is settled with its last one."""
        handle = asked.handle
        if handle is not None:
            handle.owed -= 1
            if handle.closed is not None and not handle.owed:
                turns.append(Settled(handle.key, handle.outcome(), handle.details()))

    def _note(self, turns: list[Turn], payload: dict[str, object]) -> None:
        self.notes += 1
        if self.notes <= _MOST_NOTES:
            turns.append(Note(EventKind.TARGET_FAULT, {"protocol": "sftp", **payload}))

    def unsettled(self) -> list[Settled]:
        """What is to be recorded of all that is open or unanswered, when the conversation ends."""
        handles = {id(handle): handle for handle in self.handles.values()}
        operations = {}
        for asked in self.asked.values():
            if asked.handle is not None:
                handles[id(asked.handle)] = asked.handle
            elif asked.operation is not None and asked.part == "operation":
                operations[asked.operation.key] = asked.operation
        unknown = Outcome(OutcomeKind.UNKNOWN, message="not answered")
        return [
            *(Settled(handle.key, handle.outcome(), handle.details()) for handle in handles.values()),
            *(Settled(key, unknown, {}) for key in operations),
        ]


def _check_kind(asked: Asked, packet: bytes) -> None:
    """Only what a READ brings may be long, and a success is of the type that was asked for."""
    if len(packet) > p.MOST_FROM_CLIENT:
        raise p.Malformed("an answer that is too long")
    if packet[4] not in (p.STATUS, asked.answers):
        raise p.Malformed(f"an answer of type {packet[4]} where {asked.answers} was asked for")


def _one_question_less(asked: Asked) -> Operation | None:
    if asked.operation is not None:
        asked.operation.owed -= 1
    return asked.operation


def _checked(operation: str, kind: int, packet: bytes) -> bytes:
    return check_attributes(packet) if kind == p.ATTRS else clean_extended(operation, packet)
