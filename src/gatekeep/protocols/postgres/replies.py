"""Reads a target's replies: relays them, checks them, and says what became of each execution.

Owns the queue of segments in flight; walks the table in `grammar`. Sends nothing to anybody, and
knows nothing of the client's bytes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.frames import ROW, skip_rows
from gatekeep.protocols.postgres.messages import HEADER, TargetError
from gatekeep.protocols.postgres.statements import NAMING_TAGS, Names, Statement
from gatekeep.protocols.postgres.turns import (
    READY,
    Done,
    Execution,
    Notification,
    Relay,
    Segment,
    Settled,
    TargetTurn,
    Violation,
)

_MAX_TAGS: Final = 100
_MAX_TAG: Final = 128
_MAX_TEXT: Final = 2_000
_CACHED_OUTCOMES: Final = 256
_CANCELED: Final = "57014"
_IDLE_ROW: Final = g.TRANSITIONS[g.IDLE]
_END_ROW: Final = g.TRANSITIONS[g.END]
_FAILS: Final = frozenset((g.FAIL, g.FAIL_QUERY))
_SHORTEST: Final = 4  # a length counts itself


class Replies:
    """The target's side of one conversation.

    `owed` counts segments that owe a ReadyForQuery, `status` is the transaction status last
    reported, `skipping` is true while the target ignores everything up to a Sync, `reports` are
    the ParameterStatus values since somebody took them. `boundary` is true between a ReadyForQuery
    and the next segment. `probe_row` and `probe_failed` hold what
    came back for a segment of kind `probe`, whose replies are kept from the client.
    """

    def __init__(self, names: Names) -> None:
        self.owed = 0
        self.status = "I"
        self.skipping = False
        self.broken = False
        self.boundary = True
        self.probing = False
        self.probe_row = b""
        self.probe_failed = ""
        self.reports: list[tuple[str, str]] = []
        self._names = names
        self._queue: deque[Segment] = deque()
        self._segment: Segment | None = None
        self._row = _IDLE_ROW
        self._held: bytes | bytearray = b""
        self._need = 0  # how many bytes must be held before reading on makes sense
        self._row_left = 0  # of a DataRow that is half relayed
        self._passed = 0  # bytes of earlier chunks
        self._mark = 0  # where the answer to the execution now answered begins
        self._rows = 0
        self._tags: list[str] = []
        self._failure: TargetError | None = None
        self._skipped: list[Execution] = []
        self._notices: list[bytes] = []
        self._reported = 0
        self._gone = False
        self._fault_at = (0, 0)
        self._outcomes: dict[tuple[str, int, int, int, str], Outcome] = {}

    # --- what is in flight ------------------------------------------------------------------------

    def expect(self, segment: Segment) -> None:
        """A segment went out; its replies come after those of the segments before it."""
        if not segment.codes:
            return
        if segment.codes[-1] in g.OWES_READY:
            self.owed += 1
            self.skipping = False
        self._queue.append(segment)
        self.boundary = False
        if self._segment is None:
            self._mark = self._passed
            self._segment = segment
            self._row = g.TRANSITIONS[segment.codes[0]]
            self.probing = segment.kind == "probe"

    def drop(self, executions: Sequence[Execution]) -> None:
        """These were released and then not sent, or sent and ignored: settled at the next Ready."""
        self._skipped += executions

    @property
    def idle(self) -> bool:
        """Whether no reply is owed."""
        return self._segment is None

    def unsettled(self) -> list[Execution]:
        """Executions sent whose end is not known, in order."""
        found: list[Execution] = []
        for segment in self._queue:
            found += [done.execution for done in segment.done or ()]
            found += _ending(segment, segment.at)
        return found + self._skipped

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
        try:
            start, at = self._read(data, start, at, pieces, turns)
        except TargetFault as fault:
            start, at = self._fault_at
            self.broken = True
            turns.append(Violation(fault.public, "target"))
        self._passed += at
        self._held = bytearray(data[at:]) if at < len(data) else b""
        data = data[:at] if self._held else data
        if pieces:
            pieces.append(data[start:])
            data = b"".join(pieces)
        if data:
            turns.insert(0, Relay(data))
        return turns

    def _read(  # noqa: C901 - the hot loop: branches cost less than calls
        self, data: bytes, start: int, at: int, pieces: list[bytes], turns: list[TargetTurn]
    ) -> tuple[int, int]:
        """Every whole message from `at` on; where the bytes not yet relayed begin, and the end."""
        size = len(data)
        try:
            while size - at >= HEADER.size:
                kind, length = HEADER.unpack_from(data, at)
                step = self._row.get(kind)
                if kind == ROW and step is not None and not self.probing:
                    rows, end = skip_rows(data, at, size)
                    if not rows:
                        raise TargetFault(f"DataRow of impossible length {length}")
                    self._rows += rows
                    at = end
                    if end > size:
                        self._row_left = end - size
                        at = size
                    continue
                end = at + length + 1
                if not _SHORTEST <= length <= g.MAX_MESSAGE:
                    raise TargetFault(f"message of impossible length {length}")
                if step is None and kind not in g.ANY_TIME:
                    raise TargetFault(f"unexpected message {chr(kind)!a}")
                if end > size:
                    self._need = end - at
                    return start, at
                if step is not None and not self.probing:
                    state, effect = step
                    if effect:
                        _EFFECTS[effect](self, data, at, end, turns)
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
        except TargetFault:
            self._fault_at = start, at
            raise
        self._need = HEADER.size
        return start, at

    def _finish_row(self, data: bytes, pieces: list[bytes]) -> int:
        """Relay the rest of a row; then our own notices that waited for its end."""
        taken = min(self._row_left, len(data))
        self._row_left -= taken
        if not self._row_left and self._notices:
            pieces += (data[:taken], *self._notices)
            self._notices.clear()
        return taken

    def _next(self) -> None:
        """The reply of one step is complete: on to the next step, or the next segment."""
        segment = self._segment
        assert segment is not None  # noqa: S101 - only a step of a segment completes
        segment.at += 1
        if segment.at < len(segment.codes):
            self._row = g.TRANSITIONS[segment.codes[segment.at]]
        else:
            self._queue.popleft()
            self._resume()

    def _resume(self) -> None:
        """Wait for the first segment of the queue, at the step where it stands."""
        if self._queue:
            segment = self._segment = self._queue[0]
            self._row = g.TRANSITIONS[segment.codes[segment.at]]
            self.probing = segment.kind == "probe"
        else:
            self._segment = None
            self._row = _IDLE_ROW
            self.probing = False

    # --- effects of replies -----------------------------------------------------------------------

    def _owner(self, data: bytes, at: int, end: int) -> Any:
        g.check_shape(data[at], data, at, end)
        segment = self._segment
        assert segment is not None  # noqa: S101 - only a step of a segment has a reply
        return segment.owners[segment.at]

    def _parsed(self, data: bytes, at: int, end: int, _turns: list[TargetTurn]) -> None:
        self._names.parse_complete(self._owner(data, at, end))

    def _bound(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        portal = self._owner(data, at, end)
        self._names.bind_complete(portal)
        if portal.bind_only:
            self._ended(portal, "BIND", end, turns)

    def _closed(self, data: bytes, at: int, end: int, _turns: list[TargetTurn]) -> None:
        self._names.close_complete(self._owner(data, at, end))

    def _empty(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        self._ended(self._owner(data, at, end), "", end, turns)

    def _suspended(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        self._ended(self._owner(data, at, end), "SUSPENDED", end, turns)

    def _complete(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        tag = g.tag_at(data, at, end)
        segment = self._segment
        assert segment is not None  # noqa: S101 - only a step of a segment completes
        if tag in NAMING_TAGS:
            self._names.tagged(tag)
        self._ended(segment.owners[segment.at], tag, end, turns)

    def _tagged(self, data: bytes, at: int, end: int, _turns: list[TargetTurn]) -> None:
        tag = g.tag_at(data, at, end)
        if tag in NAMING_TAGS:
            self._names.tagged(tag)
        if len(self._tags) < _MAX_TAGS:
            self._tags.append(tag[:_MAX_TAG])
        elif len(self._tags) == _MAX_TAGS:
            self._tags.append("…")

    def _ended(
        self, execution: Execution, tag: str, end: int, turns: list[TargetTurn],
        failure: TargetError | None = None,
    ) -> None:  # fmt: skip
        """An execution is over; what a Sync follows is settled when its transaction's end is known."""
        here = self._passed + end
        done = Done(execution, tag[:_MAX_TAG], self._rows, here - self._mark, failure)
        self._mark = here
        self._rows = 0
        segment = self._segment
        assert segment is not None  # noqa: S101 - an execution belongs to a segment
        if segment.kind != "sync" or self._gone:
            turns.append(Settled(execution, self._outcome(done, "")))
        elif segment.done is None:
            segment.done = [done]
        else:
            segment.done.append(done)

    def _ready(self, data: bytes, at: int, end: int, turns: list[TargetTurn]) -> None:
        ready = READY.get(chr(data[at + 5])) if end - at == 6 else None  # noqa: PLR2004 - header and status
        segment = self._segment
        if ready is None or segment is None:
            raise TargetFault("ReadyForQuery: no such transaction status")
        status = ready.status
        failure = self._failure
        if segment.codes[0] == g.QUERY or segment.codes[0] == g.CALL:
            here = self._passed + end
            tag = "; ".join(self._tags)
            done = Done(segment.executions[0], tag, self._rows, here - self._mark, failure)
            turns.append(Settled(done.execution, self._outcome(done, status)))
        elif segment.done:
            if failure is not None and status == "I" and self.status == "I":
                _roll_back(segment.done, failure)
            for done in segment.done:
                turns.append(Settled(done.execution, self._outcome(done, status)))  # noqa: PERF401 - one as a rule
        if self._skipped:
            skipped = Outcome(OutcomeKind.SKIPPED, status=status)
            turns += [Settled(execution, skipped) for execution in self._skipped]
            self._skipped.clear()
        self._mark = self._passed + end
        self._rows = self._reported = 0
        self._failure = None
        if self._tags:
            self._tags.clear()
        self.status = status
        self.owed -= 1
        self.boundary = True
        self._names.ready(status, segment.kind)
        turns.append(ready)

    def _outcome(self, done: Done, status: str) -> Outcome:
        failure = done.failure
        bytes_in = done.execution.bytes_in
        if failure is not None:
            kind = OutcomeKind.CANCELLED if failure.sqlstate == _CANCELED else OutcomeKind.FAILED
            return Outcome(
                kind, done.tag, done.rows, bytes_in, done.bytes_out, failure.sqlstate,
                failure.message[:_MAX_TEXT], status=status,
            )  # fmt: skip
        # Answers of one shape share one outcome: frozen objects are dear to make.
        key = (done.tag, done.rows, bytes_in, done.bytes_out, status)
        outcome = self._outcomes.get(key)
        if outcome is None:
            if len(self._outcomes) >= _CACHED_OUTCOMES:
                self._outcomes.clear()
            outcome = Outcome(
                OutcomeKind.DONE, done.tag, done.rows, bytes_in, done.bytes_out, status=status
            )
            self._outcomes[key] = outcome
        return outcome

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
        if self.probing:
            self._probed(kind, body)
            return b""
        return self._error(body, end, turns)

    def _probed(self, kind: int, body: bytes) -> None:
        """A reply to our own probe: the client never sees it."""
        if kind == g.ERROR:
            error = messages.read_error(body)
            self.probe_failed = error.sqlstate
            segment = self._segment
            assert segment is not None  # noqa: S101 - a probe is a segment
            segment.at = len(segment.codes) - 1
            self._row = g.TRANSITIONS[g.SYNC]
            return
        state, effect = self._row[kind]
        if kind == ROW:
            self.probe_row = body
        elif effect == g.READY_NOW:
            self.status = messages.read_ready(body)
            self.owed -= 1
            self.boundary = True
        if not state:
            self._next()

    def _error(self, body: bytes, end: int, turns: list[TargetTurn]) -> bytes | None:
        error = messages.read_error(body)
        fatal = error.severity in {"FATAL", "PANIC"}
        segment = self._segment
        if segment is None or self._row is _END_ROW:
            if not fatal:
                raise TargetFault("ErrorResponse where none belongs")
            self._gone = True
            return g.unmasked(b"E", body)
        self._gone = fatal
        code = segment.codes[segment.at]
        ours = segment.message if code in _FAILS and not fatal and segment.nonce in body else None
        self._failure = error if ours is None else TargetError("ERROR", ours.sqlstate, ours.primary)
        if code in g.SKIPS_ON_ERROR:
            self._skip(segment, error, end, turns)
        elif code != g.SYNC:
            self._row = _END_ROW
            if fatal and code != g.FAIL_QUERY:
                self._ended(segment.executions[0], "; ".join(self._tags), end, turns, error)
                self._queue.popleft()
        return g.unmasked(b"E", body) if ours is None else messages.error_response(ours)

    def _skip(
        self, segment: Segment, error: TargetError, end: int, turns: list[TargetTurn]
    ) -> None:
        """An error in the extended protocol: nothing up to the next Sync has a reply."""
        failed = _failing(segment)
        self._names.failed()
        if failed is not None:
            self._ended(failed, "", end, turns, error)
        while True:
            self._skipped += [one for one in _ending(segment, segment.at) if one is not failed]
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
                return
            segment = self._queue[0]


_EFFECTS: Final = {
    g.PARSED: Replies._parsed, g.BOUND: Replies._bound, g.CLOSED: Replies._closed,
    g.COMPLETE: Replies._complete, g.EMPTY: Replies._empty, g.SUSPENDED: Replies._suspended,
    g.TAGGED: Replies._tagged, g.READY_NOW: Replies._ready,
}  # fmt: skip


def _ending(segment: Segment, at: int) -> Iterator[Execution]:
    """The executions whose end is the reply to a step from `at` on."""
    for position in range(at, len(segment.codes)):
        code = segment.codes[position]
        if code in {g.EXECUTE, g.QUERY, g.CALL} or (
            code == g.BIND and segment.owners[position].bind_only
        ):
            yield segment.owners[position]


def _failing(segment: Segment) -> Execution | None:
    """Whose failure an error at the present step is."""
    code, owner = segment.codes[segment.at], segment.owners[segment.at]
    if code in {g.EXECUTE, g.BIND}:
        return owner  # type: ignore[no-any-return] # owners of these steps are executions
    following = next(_ending(segment, segment.at), None)
    if code == g.PARSE and isinstance(owner, Statement) and following is not None:
        return following if following.statement_name == owner.name else None
    return None


def _roll_back(done: list[Done], failure: TargetError) -> None:
    """An implicit transaction failed: what it did since its last COMMIT is undone."""
    for one in reversed(done):
        if one.tag in {"COMMIT", "ROLLBACK"}:
            return
        if one.failure is None:
            text = f"rolled back with its pipeline: {failure.message}"
            one.failure = TargetError(failure.severity, failure.sqlstate, text)
