"""One client and one target talking sftp version 3: bytes in, a list of turns out. Sans-IO.

Which requests wait, in which order they are judged, and what goes out when. What a request asks for
is `sftp_actions`', what the target answers is `sftp_flight`'s. Judging and recording are the proxy's.
"""

# Stages
#
#   stage      client may send      target may send      left when
#   greeting   INIT                 nothing              INIT: ours (version 3) goes to the target
#   version    nothing              VERSION              it came: our REALPATH "." goes out
#   home       (kept unread)        that answer          it came
#   open       requests             answers              never
#   ended      -                    -                    a Violation is the last turn
#
# Requests by path, and the few by handle that change rights, are operations:
#
#   waiting → (its turn) names asked of the target → submitted → released → answered
#                                                              → refused (we answer)
#
# Its turn comes in the order of arrival, as `sftp_line` says. Requests by an open handle are decided already and overtake what waits, unless a waiting
# operation works on that handle or may change that very file's bytes; then they wait in line.
#
# Invariants: nothing reaches the target that was not released, but INIT, our own REALPATHs, and
# requests by handles that a released operation opened for that use. Each of the client's request
# ids is answered once. An id in use is not taken by our questions, and a client's request under
# the id of one of ours waits until that is answered.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Note,
    Relay,
    Settled,
    Submit,
    ToTarget,
    Turn,
    Violation,
)
from gatekeep.protocols.ssh.files.sftp_actions import (
    Plan,
    Unsupported,
    action_of,
    plan_copy,
    plan_extension,
    plan_handle_attributes,
    plan_request,
)
from gatekeep.protocols.ssh.files.sftp_answers import read_version
from gatekeep.protocols.ssh.files.sftp_flight import Flight
from gatekeep.protocols.ssh.files.sftp_handles import Held, OpenHandle, Operation
from gatekeep.protocols.ssh.files.sftp_line import Line

MOST_REQUESTS: Final = 4096
MOST_HANDLES: Final = 1024
_MOST_HELD: Final = 1024 * 1024
_MOST_BACKLOG: Final = 16 * 1024 * 1024
_MOST_NOTES: Final = 100
_VERSION: Final = 3
_INIT: Final = p.packet(p.INIT, _VERSION.to_bytes(4, "big"))
_BY_HANDLE: Final = frozenset({p.CLOSE, p.READ, p.WRITE, p.FSTAT, p.FSETSTAT, p.READDIR})
_FSTATVFS: Final = b"fstatvfs@openssh.com"
_FSYNC: Final = b"fsync@openssh.com"
_COPY: Final = b"copy-data"


class SftpConversation:
    """The protocol state of one sftp subsystem.

    For each Submit call `release(key)` once its event is durable, or `refuse(key, words)`. Do all
    turns in their order, whichever method gave them. `chrooted` says that the account cannot
    leave a place where only it makes links: names are then exact.
    """

    def __init__(self, *, chrooted: bool = False) -> None:
        self._chrooted = chrooted
        self._client = p.Stream(p.MOST_FROM_CLIENT)
        self._target = p.Stream(p.MOST_FROM_TARGET)
        self._flight = Flight()
        self._stage: Literal["greeting", "version", "home", "open", "ended"] = "greeting"
        self._offered: frozenset[bytes] = frozenset()
        self._line = Line()
        self._postponed: bytes | None = None
        self._opening = 0
        self._notes = 0
        self._last_key = 0

    # --- what the proxy asks ----------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """The client's bytes that are kept here."""
        return self._client.held + self._line.held + len(self._postponed or b"")

    @property
    def congested(self) -> bool:
        """Whether to stop reading the client until something is decided or answered."""
        return self._full or self.backlog > _MOST_HELD

    @property
    def idle(self) -> bool:
        """Whether all that the client sent has gone out or was answered: its EOF may go on."""
        return not (len(self._line) or self._postponed) and self._stage != "home"

    @property
    def _full(self) -> bool:
        return len(self._flight.asked) + len(self._line) >= MOST_REQUESTS or self._line.held > _MOST_HELD

    def finish(self) -> list[Settled]:
        """At the end, however it came: what is to be recorded of what was released and not settled."""
        self._stage = "ended"
        return self._flight.unsettled()

    # --- from the client --------------------------------------------------------------------------

    def receive_client(self, data: bytes) -> list[Turn]:
        """Take the client's bytes. Never raises: a broken protocol is a Violation."""
        turns: list[Turn] = []
        if self._stage != "ended":
            self._client.feed(data)
            self._guarded(self._read_client, turns, "client")
        if self.backlog > _MOST_BACKLOG and self._stage != "ended":
            self._stage = "ended"
            turns.append(Violation("more requests than may wait", "client"))
        return turns

    def _guarded(
        self, step: Callable[[list[Turn]], None], turns: list[Turn], whose: Literal["client", "target"]
    ) -> None:
        if self._stage == "ended":
            return
        try:
            step(turns)
        except p.Malformed as fault:
            self._stage = "ended"
            turns.append(Violation(str(fault), whose))

    def _read_client(self, turns: list[Turn]) -> None:
        while self._stage != "home" and not self._full:
            packet = self._postponed or self._client.packet()
            self._postponed = None
            if packet is None:
                return
            if self._stage != "open":
                self._greet(packet, turns)
            elif not self._request(packet, turns):
                self._postponed = packet
                return

    def _greet(self, packet: bytes, turns: list[Turn]) -> None:
        if self._stage != "greeting" or packet[4] != p.INIT:
            raise p.Malformed("a request before the version was agreed")
        fields = p.Fields(packet, 5)
        if fields.u32() < _VERSION:
            raise p.Malformed("an sftp version below 3")
        self._stage = "version"
        turns.append(ToTarget(_INIT))

    def _request(self, packet: bytes, turns: list[Turn]) -> bool:
        """One request; false where it has to come again, because its id is that of a question."""
        if len(packet) < 9:  # noqa: PLR2004 - length, type, request id
            raise p.Malformed("a request without an id")
        number = int.from_bytes(packet[5:9], "big")
        asked = self._flight.asked.get(number)
        if asked is not None and asked.part == "probe":
            return False
        if asked is not None or number in self._line.numbers:
            raise p.Malformed("a request id that is still in use")
        kind = packet[4]
        try:
            if kind in _BY_HANDLE:
                self._by_handle(number, packet, turns)
            elif kind == p.EXTENDED:
                self._extended(number, packet, turns)
            else:
                self._operate(number, packet, plan_request(kind, p.Fields(packet, 9)), turns)
        except p.Malformed as fault:
            turns.append(Answer(p.status(number, p.BAD_MESSAGE, f"gatekeep: {fault}")))
        except Unsupported as fault:
            self._note(turns, str(fault))
            words = f"gatekeep: {fault} is not available through this gateway"
            turns.append(Answer(p.status(number, p.OP_UNSUPPORTED, words)))
        return True

    def _extended(self, number: int, packet: bytes, turns: list[Turn]) -> None:
        fields = p.Fields(packet, 9)
        name = fields.string(p.MOST_NAME)
        if name not in self._offered:
            raise Unsupported(f"extension {name[:64].decode('ascii', 'backslashreplace')}")
        if name == _COPY:
            self._copy(number, packet, fields, turns)
        elif name in (_FSTATVFS, _FSYNC):
            handle = self._handle(fields.string(p.MOST_HANDLE))
            fields.end()
            self._pass_by_handle(number, packet, handle, turns)
        else:
            self._operate(number, packet, plan_extension(name, fields), turns)

    def _copy(self, number: int, packet: bytes, fields: p.Fields, turns: list[Turn]) -> None:
        source = self._handle(fields.string(p.MOST_HANDLE))
        asked = {"offset": fields.u64(), "length": fields.u64()}
        sink = self._handle(fields.string(p.MOST_HANDLE))
        asked["to_offset"] = fields.u64()
        fields.end()
        if source is None or sink is None or not (source.reads and sink.writes):
            self._no_handle(number, turns)
            return
        plan = plan_copy(source.names, sink.names, asked)
        self._operate(number, packet, plan, turns, (source, sink))

    def _by_handle(self, number: int, packet: bytes, turns: list[Turn]) -> None:
        """Most bytes pass here: a READ or WRITE is checked in its form and its use, no more."""
        kind = packet[4]
        at = 13 + int.from_bytes(packet[9:13], "big")
        handle = self._flight.handles.get(packet[13:at])
        if kind == p.FSETSTAT and handle is not None:
            found = _attributes(packet, at)
            if not (handle.writes and found.mode is None and found.owner is None):
                plan = plan_handle_attributes(handle.names, found)
                self._operate(number, packet, plan, turns, (handle,))
                return
        elif kind != p.FSETSTAT:
            tail = len(packet) - at
            if kind == p.WRITE:
                tail -= int.from_bytes(packet[at + 8 : at + 12], "big")
            if tail != _TAILS[kind]:
                raise p.Malformed("fields that do not fit the packet")
        self._pass_by_handle(number, packet, handle, turns)

    def _pass_by_handle(
        self, number: int, packet: bytes, handle: OpenHandle | None, turns: list[Turn]
    ) -> None:
        if handle is None or not _fits(packet[4], handle):
            self._no_handle(number, turns)
        elif len(self._line) and self._line.bars(handle):
            self._line.add(Held(handle, number, packet))
        else:
            turns.append(ToTarget(self._flight.send_by_handle(number, packet, handle)))

    def _handle(self, name: bytes) -> OpenHandle | None:
        return self._flight.handles.get(name)

    def _no_handle(self, number: int, turns: list[Turn]) -> None:
        words = "gatekeep: no such handle, or not opened for that"
        turns.append(Answer(p.status(number, p.FAILURE, words)))

    def _operate(
        self,
        number: int,
        packet: bytes,
        plan: Plan,
        turns: list[Turn],
        handles: tuple[OpenHandle, ...] = (),
    ) -> None:
        """An operation takes its place in the line."""
        if plan.handle:
            if len(self._flight.handles) + self._opening >= MOST_HANDLES:
                words = "gatekeep: too many open files"
                turns.append(Answer(p.status(number, p.FAILURE, words)))
                return
            self._opening += 1
        self._last_key += 1
        operation = Operation(self._last_key, number, packet, plan, self._flight.home or b"")
        operation.handles = handles
        self._line.add(operation)
        self._advance(turns)

    # --- whose turn it is -------------------------------------------------------------------------

    def _advance(self, turns: list[Turn]) -> None:
        """Start all whose turn it is."""
        while (item := self._line.next()) is not None:
            handles = (item.handle,) if isinstance(item, Held) else item.handles
            if any(handle.gone for handle in handles):
                self._line.drop(item)
                self._no_handle(item.number, turns)
                continue
            if isinstance(item, Held):
                packet = self._flight.send_by_handle(item.number, item.packet, item.handle)
                turns.append(ToTarget(packet))
                continue
            if not item.handles:
                for name in item.plan.names:
                    for probe in name.probes():
                        question = self._flight.ask_name(item, name, probe, self._line.numbers)
                        turns.append(ToTarget(question))
            if not item.owed:
                self._submit(item, turns)

    def _submit(self, operation: Operation, turns: list[Turn]) -> None:
        operation.out = True
        home = self._flight.home or b""
        action = action_of(operation.plan, operation.packet, home, chrooted=self._chrooted)
        turns.append(Submit(operation.key, action))

    def release(self, key: int) -> list[Turn]:
        """The operation was permitted and its event is durable: it goes out."""
        operation = self._line.decide(key)
        turns: list[Turn] = []
        if self._stage == "ended":
            return turns
        turns.append(ToTarget(self._flight.send(operation)))
        self._go_on(turns)
        return turns

    def refuse(self, key: int, words: Sequence[str]) -> list[Turn]:
        """The operation is not to be: the client is told so, in the first of the words."""
        operation = self._line.decide(key)
        turns: list[Turn] = []
        if self._stage == "ended":
            return turns
        self._opening -= bool(operation.plan.handle)
        self._line.leave(operation)
        said = words[0] if words else "gatekeep: not permitted"
        turns.append(Answer(p.status(operation.number, p.PERMISSION_DENIED, said)))
        self._go_on(turns)
        return turns

    def _go_on(self, turns: list[Turn]) -> None:
        """Something was decided or answered: others may have their turn, and more can be read."""
        self._advance(turns)
        self._guarded(self._read_client, turns, "client")

    # --- from the target --------------------------------------------------------------------------

    def receive_target(self, data: bytes) -> list[Turn]:
        """Take the target's bytes. Never raises: a broken protocol is a Violation."""
        turns: list[Turn] = []
        if self._stage != "ended":
            self._target.feed(data)
            self._guarded(self._read_target, turns, "target")
        if self._stage != "ended":
            self._go_on(turns)
        return turns

    def _read_target(self, turns: list[Turn]) -> None:
        while (packet := self._target.packet()) is not None:
            if self._stage == "version" and packet[4] == p.VERSION:
                greeting, self._offered = read_version(packet)
                self._stage = "home"
                turns.append(Relay(greeting))
                turns.append(ToTarget(self._flight.ask_home()))
                continue
            if self._stage not in ("home", "open"):
                raise p.Malformed("an answer before the version was agreed")
            operation = self._flight.answer(packet, turns)
            if operation is not None:
                self._answered(operation, turns)
            elif self._stage == "home" and self._flight.home is not None:
                self._stage = "open"

    def _answered(self, operation: Operation, turns: list[Turn]) -> None:
        """An operation has its answer, or one about its names."""
        if not self._line.undecided(operation):
            self._line.leave(operation)
            self._opening -= bool(operation.plan.handle)
        elif not operation.owed:
            self._submit(operation, turns)

    def _note(self, turns: list[Turn], what: str) -> None:
        self._notes += 1
        if self._notes <= _MOST_NOTES:
            turns.append(Note(EventKind.PROTOCOL_FAULT, {"protocol": "sftp", "refused": what}))


#: Bytes behind the handle; of a WRITE without its data.
_TAILS: Final = {p.CLOSE: 0, p.READ: 12, p.WRITE: 12, p.FSTAT: 0, p.READDIR: 0}


def _attributes(packet: bytes, at: int) -> p.Attributes:
    fields = p.Fields(packet, at)
    found = fields.attributes()
    fields.end()
    if found.flags & p.ATTR_EXTENDED:
        raise Unsupported("extended attributes")
    return found


def _fits(kind: int, handle: OpenHandle) -> bool:
    if kind == p.READ:
        return handle.reads
    if kind == p.READDIR:
        return handle.use == "d"
    return kind != p.WRITE or handle.writes
