"""Reads a target's replies: relays them, checks them, and tells `settlement` what they say.

Walks the table in `grammar` over what is in `flight`. Sends nothing to anybody, and knows nothing
of the client's bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.copy_in import CopyIn
from gatekeep.protocols.postgres.flight import Flight
from gatekeep.protocols.postgres.frames import COPY_DATA, ROW, skip_rows
from gatekeep.protocols.postgres.messages import HEADER, TargetError
from gatekeep.protocols.postgres.settlement import ending, failing
from gatekeep.protocols.postgres.statements import NAMING_TAGS, Names
from gatekeep.protocols.postgres.turns import (
    READY,
    Execution,
    Notification,
    Onward,
    Relay,
    Segment,
    Settled,
    TargetTurn,
    Violation,
)

_END_ROW: Final = g.TRANSITIONS[g.END]
_FAILS: Final = frozenset((g.FAIL, g.FAIL_QUERY))
_ROWS: Final = frozenset((ROW, COPY_DATA))
_FATAL: Final = frozenset(("FATAL", "PANIC"))
_SHORTEST: Final = 4  # a length counts itself
_READY_SIZE: Final = 6


class Replies(Flight):
    """The target's side of one conversation.

    `status` is the transaction status last reported, `reports` are the ParameterStatus values
    since somebody took them. `probe_row` and `probe_failed` hold what came back for a segment of
    kind `probe`, whose replies are kept from the client, but for the target's last words;
    `probe_error` is the message that made it skip to the client's Sync, if such a segment failed.
    """

    def __init__(self, names: Names, copy_in: CopyIn) -> None:
        super().__init__()
        self.status = "I"
        self.broken = False
        self.probe_row = b""
        self.probe_failed = ""
        self.probe_error = b""
        self.reports: list[tuple[str, str]] = []
        self._names = names
        self._copy_in = copy_in
        self._held: bytes | bytearray = b""
        self._need = 0  # how many bytes must be held before reading on makes sense
        self._row_left = 0  # of a DataRow that is half relayed
        self._notices: list[bytes] = []
        self._reported = 0
        self._gone = False

    def notice(self, data: bytes) -> list[TargetTurn]:
        """A message of ours for the client: now, or when the row that is half sent has ended."""
        if self._row_left:
            self._notices.append(data)
            return []
        return [Relay(data)]

    # --- reading ----------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[TargetTurn]:
        """Read the target's bytes. Never raises: what breaks the grammar is a Violation."""
        if self.broken or self._gone:
            return []
        if self._held:
            if len(self._held) + len(data) < self._need:
                self._held += data
                return []
            data = bytes(self._held + data)
        pieces: list[bytes] = []
        turns: list[TargetTurn] = []
        start = at = 0
        if self._row_left:
            at = self._finish_row(data, pieces)
            start = at if pieces else 0
        start, at, fault = self._read(data, start, at, pieces, turns)
        if fault:
            self.broken = True
            turns.append(Violation(fault, "target"))
        self._passed += at
        self._held = bytearray(data[at:]) if at < len(data) else b""
        data = data[:at] if self._held else data
        if pieces:
            pieces.append(data[start:])
            data = b"".join(pieces)
        if data:
            turns.insert(0, Relay(data))
        return turns

    def _read(  # noqa: C901, PLR0912, PLR0915 - the hot loop: branches cost less than calls
        self, data: bytes, start: int, at: int, pieces: list[bytes], turns: list[TargetTurn]
    ) -> tuple[int, int, str]:
        """Every whole message from `at` on.

        Answers where the bytes not yet relayed begin, where they end, and the fault, if any.
        """
        size = len(data)
        self._need = HEADER.size
        try:
            while size - at >= HEADER.size:
                kind, length = HEADER.unpack_from(data, at)
                step = self._row.get(kind)
                if kind in _ROWS and step is not None and not self.ours:
                    rows, end = skip_rows(data, at, size, kind)
                    if not rows:
                        return start, at, f"row of impossible length {length}"
                    self._settlement.rows += rows if kind == ROW else 0
                    at = end
                    if end > size:
                        self._row_left = end - size
                        at = size
                    continue
                end = at + length + 1
                if not _SHORTEST <= length <= g.MAX_MESSAGE:
                    return start, at, f"message of impossible length {length}"
                if step is None and kind not in g.ANY_TIME:
                    return start, at, f"unexpected message {chr(kind)!a}"
                if end > size:
                    self._need = end - at
                    break
                if step is not None and not self.ours:
                    state, effect = step
                    if effect:
                        self._take_effect(effect, data, at, end, turns)
                    else:
                        g.check_shape(kind, data, at, end)
                    if state:
                        self._row = g.TRANSITIONS[state]
                    else:
                        self._next()
                else:
                    instead = self._other(kind, data, at, end, turns)
                    if instead is not None:
                        pieces += (data[start:at], instead)
                        start = end
                    if self._gone:
                        at = end
                        break
                at = end
        except TargetFault as fault:
            return start, at, fault.public
        return start, at, ""

    def _finish_row(self, data: bytes, pieces: list[bytes]) -> int:
        """Relay the rest of a row; then our own notices that waited for its end."""
        taken = min(self._row_left, len(data))
        self._row_left -= taken
        if not self._row_left and self._notices:
            pieces += (data[:taken], *self._notices)
            self._notices.clear()
        return taken

    # --- effects of replies -----------------------------------------------------------------------

    def _owner(self, data: bytes, at: int, end: int) -> Any:
        g.check_shape(data[at], data, at, end)
        segment = self._segment
        assert segment is not None  # noqa: S101 - only a step of a segment has a reply
        return segment.owners[segment.at]

    def _bound(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        portal = self._owner(data, at, end)
        self._names.bind_complete(portal)
        if portal.bind_only:
            self._ended(portal, "BIND", end, turns)

    def _complete(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        tag = g.tag_at(data, at, end)
        segment = self._segment
        assert segment is not None  # noqa: S101 - only a step of a segment completes
        if tag in NAMING_TAGS:
            self._names.tagged(tag, segment.owners[segment.at])
        self._ended(segment.owners[segment.at], tag, end, turns)

    def _tagged(self, data: bytes, at: int, end: int) -> None:
        tag = g.tag_at(data, at, end)
        if tag in NAMING_TAGS:
            self._names.tagged(tag, self._owner(data, at, end))
        self._settlement.tagged(tag)

    def _ended(
        self,
        execution: Execution,
        tag: str | None,
        end: int,
        turns: list[TargetTurn],
        failure: TargetError | None = None,
    ) -> None:
        """An execution is over; before a Sync it is settled when its transaction's end is known."""
        if self._copy_in.state:
            self._copy_in.ends(execution)
        done = self._settlement.end(execution, tag, self._passed + end, failure)
        segment = self._segment
        assert segment is not None  # noqa: S101 - an execution belongs to a segment
        if segment.kind == "part" and not self._gone:
            self._settlement.parted.append(done)
        elif segment.kind != "sync" or self._gone:
            turns.append(Settled(execution, self._settlement.outcome(done, "")))
        elif segment.done is None:
            segment.done = [done]
        else:
            segment.done.append(done)

    def _ready(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        ready = READY.get(chr(data[at + 5])) if end - at == _READY_SIZE else None
        segment = self._segment
        if ready is None or segment is None:
            raise TargetFault("ReadyForQuery: no such transaction status")
        self._settlement.ready(segment, self.status, ready.status, self._passed + end, turns)
        self._reported = 0
        self.status = ready.status
        self.owed -= 1
        self.boundary = True
        self._names.ready(ready.status, segment.kind)
        if self._copy_in.state:
            self._copy_in.ends(None)
        turns.append(ready)

    def _take_effect(
        self, effect: int, data: bytes, at: int, end: int, turns: list[TargetTurn]
    ) -> None:
        """A reply that means more than that a step is done; the frequent ones first."""
        if effect == g.COMPLETE:
            self._complete(data, at, end, turns)
        elif effect == g.READY_NOW:
            self._ready(data, at, end, turns)
        elif effect == g.TAGGED:
            self._tagged(data, at, end)
        elif effect == g.BOUND:
            self._bound(data, at, end, turns)
        elif effect == g.PARSED:
            self._names.parse_complete(self._owner(data, at, end))
        elif effect == g.CLOSED:
            self._names.close_complete(self._owner(data, at, end))
        elif effect in g.COPY_EFFECTS:
            self._copy_effect(effect, data, at, end, turns)
        elif effect == g.DESCRIBED:
            owner = self._owner(data, at, end)
            self._names.described(owner and owner[0], g.oids_at(data, at, end))
        else:
            tag = "SUSPENDED" if effect == g.SUSPENDED else ""
            self._ended(self._owner(data, at, end), tag, end, turns)

    def _copy_effect(
        self, effect: int, data: bytes, at: int, end: int, turns: list[TargetTurn]
    ) -> None:
        if effect == g.COPIES_OUT:
            g.count_copy_out(self._owner(data, at, end))
        elif effect == g.COPIES_IN:
            self._copy_in.begins(self._owner(data, at, end))
        else:
            self._copy_in.completes()
            if effect == g.TOOK:
                self._complete(data, at, end, turns)
            else:
                self._tagged(data, at, end)

    # --- what may come at any time ----------------------------------------------------------------

    def _other(
        self, kind: int, data: bytes, at: int, end: int, turns: list[TargetTurn]
    ) -> bytes | None:
        """Anything that is not the plain expected reply; bytes to relay instead, if not itself."""
        body = data[at + HEADER.size : end]
        if kind == g.NOTICE:
            return g.unmasked(b"N", body)
        if kind == g.STATUS:
            self._reported += 1
            if len(body) > g.MAX_PARAMETER_STATUS or self._reported > g.MAX_REPORTS:
                raise TargetFault("ParameterStatus: too long or too many")
            self.reports.append(messages.read_parameter_status(body))
            return None
        if kind == g.NOTIFICATION:
            _, channel, payload = messages.read_notification(body)
            digest = hashlib.sha256(payload).hexdigest()
            turns.append(Notification(channel, len(payload), digest))
            return None
        if self.ours:
            return self._own(kind, body, end, turns)
        return self._error(body, end, turns)

    def _own(self, kind: int, body: bytes, end: int, turns: list[TargetTurn]) -> bytes:
        """A reply to something of our own; answers what of it is the client's after all."""
        segment = self._segment
        assert segment is not None  # noqa: S101 - only what was sent is answered
        if kind == g.ERROR and messages.read_error(body).severity in _FATAL:
            self._gone = True
            return g.unmasked(b"E", body) or messages.frame(b"E", body)
        if segment.kind != "sorting":
            self._probed(segment, kind, body)
            if segment.kind == "awake" and self._segment is not segment:
                self._settlement.mark = self._passed + end
                turns.append(Onward())  # the client may have sent what waited for this answer only
            return b""
        if kind == g.ERROR:
            raise TargetFault("ErrorResponse where none belongs")
        relayed = self._copy_in.sorted_in(kind, body)
        if kind == g.READY:
            self.status = messages.read_ready(body)
        else:
            self.skipping = self._copy_in.skips
            self.boundary = not self.skipping
            self._names.ready(self.status, "sync")
            self._settlement.restart(self.status, self._passed + end, turns)
            self._next()
            turns.append(READY[self.status])
        return relayed

    def _probed(self, segment: Segment, kind: int, body: bytes) -> None:
        """A reply to our own probe, or to a Sync that keeps awake: the client never sees it."""
        if kind == g.ERROR:
            error = messages.read_error(body)
            self.probe_failed = error.sqlstate
            if segment.codes[-1] == g.SYNC:
                segment.at = len(segment.codes) - 1
                self._row = g.TRANSITIONS[g.SYNC]
                return
            self.probe_error = g.unmasked(b"E", body) or messages.frame(b"E", body)
            self._settlement.failure = error
            self._names.failed()
            self._queue.popleft()
            self.skipping = True
            self._resume()
            return
        state, effect = self._row[kind]
        if kind == ROW:
            self.probe_row = body
        elif effect == g.READY_NOW:
            self.status = messages.read_ready(body)
            self.owed -= 1
            self.boundary = self.boundary or segment.kind == "probe"
        if not state:
            self._next()

    def _error(self, body: bytes, end: int, turns: list[TargetTurn]) -> bytes | None:
        error = messages.read_error(body)
        fatal = error.severity in _FATAL
        segment = self._segment
        if segment is None or self._row is _END_ROW:
            if not fatal:
                raise TargetFault("ErrorResponse where none belongs")
            self._gone = True
            return g.unmasked(b"E", body)
        self._gone = fatal
        code = segment.codes[segment.at]
        ours = segment.message if code in _FAILS and not fatal and segment.nonce in body else None
        self._settlement.failure = error if ours is None else TargetError("ERROR", ours.sqlstate, ours.primary)
        uncertain = self._copy_in.fails()
        if code in g.SKIPS_ON_ERROR:
            self._skip(segment, error, end, turns)
        elif code != g.SYNC:
            self._row = _END_ROW
            if fatal and code != g.FAIL_QUERY:
                self._ended(segment.executions[0], None, end, turns, error)
                self._queue.popleft()
        if uncertain is not None and not fatal:
            self.expect(uncertain)
        return g.unmasked(b"E", body) if ours is None else messages.error_response(ours)

    def _skip(
        self, segment: Segment, error: TargetError, end: int, turns: list[TargetTurn]
    ) -> None:
        """An error in the extended protocol: nothing up to the next Sync has a reply."""
        failed = failing(segment)
        self._names.failed()
        if failed is not None:
            self._ended(failed, "", end, turns, error)
        while True:
            self._settlement.skipped += [one for one in ending(segment, segment.at) if one is not failed]
            if segment.codes[-1] == g.SYNC:
                segment.at = len(segment.codes) - 1
                self._resume()
                return
            self._queue.popleft()
            if segment.codes[-1] in g.OWES_READY:
                self.owed -= 1
            if not self._queue:
                self.skipping = True
                self._resume()
                turns.append(Onward())  # what owed an answer owes none: the client's Sync may go
                return
            segment = self._queue[0]
