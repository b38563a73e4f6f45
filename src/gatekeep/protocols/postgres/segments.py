"""Reads a client's segments: which messages they hold, and which executions those make.

Text behind names comes from `statements`. Nothing is judged or sent here.
"""

from __future__ import annotations

import re
import struct
from typing import Any, Final

from gatekeep.domain.actions import FUNCTION_CALL
from gatekeep.errors import ClientFault
from gatekeep.messages import WireMessage, too_large
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.frames import FLUSH, JUDGED_LIMIT, Cut
from gatekeep.protocols.postgres.function_call import read_function_call
from gatekeep.protocols.postgres.messages import HEADER
from gatekeep.protocols.postgres.statements import Names, Statement
from gatekeep.protocols.postgres.turns import Called, Execution, Segment, SegmentKind

_QUERY_CODES: Final = (g.QUERY,)
_CALL_CODES: Final = (g.CALL,)
_SYNC_CODES: Final = (g.SYNC,)
_NO_OWNER: Final = (None,)

_KEPT_SHAPES: Final = 64
_KEPT_BYTES: Final = 1_024
_SHORTEST_BIND: Final = 17  # with the Execute and Sync that follow it, far longer
_NULL: Final = 0xFFFFFFFF
_NO_DESCRIBE: Final = 3
_FAMILIAR: Final = frozenset(
    {(g.BIND, g.EXECUTE, g.SYNC), (g.BIND, g.DESCRIBE, g.EXECUTE, g.SYNC)}
)
# PREPARE or DECLARE as the first word, or perhaps so behind a comment.
_GIVES_NAMES: Final = re.compile(
    r"\s*(?:(?:prepare|declare)\b|[^a-z\s(].*(?:prepare|declare))", re.IGNORECASE | re.DOTALL
)
_short_at: Final = struct.Struct(">H").unpack_from
_long_at: Final = struct.Struct(">I").unpack_from


class Reader:
    """Turns segments' bytes into executions.

    Remembers the bytes of Parse messages and of what follows a Bind: prepared statements are run
    again and again with the same ones, and need not be read twice.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parses: dict[bytes, Statement] = {}
        self._tails: dict[bytes, tuple[bytes, tuple[int, ...]]] = {}

    def read(self, cut: Cut) -> Segment:
        """A segment with its executions. Raises ClientFault for a malformed message.

        It ends behind what may be a COPY FROM STDIN (`rest` says where): rows may follow.
        """
        if cut.kind == "query":
            return self._query(cut)
        if cut.kind == "function_call":
            return self._call(cut)
        if len(cut.raw) == HEADER.size and cut.kind == "sync":
            return bare_sync(cut.raw)
        self._names.begin()
        walk = _Walk(self._names, cut)
        segment = walk.segment()
        if cut.kind == "sync" and not cut.too_large and not segment.rest:
            self._learn(segment, walk.described)
        return segment

    def quick(self, data: bytes) -> Segment | None:
        """The same as cutting and reading, for bytes that are one familiar [Parse] Bind … Sync.

        None when they are not, and then nothing has happened.
        """
        at, parsed = 0, None
        if data[0] == g.PARSE and len(data) > _SHORTEST_BIND:
            at = _long_at(data, 1)[0] + 1
            parsed = self._parses.get(data[:at])
            parsed = parsed and parsed.again()
        if len(data) - at < _SHORTEST_BIND or len(data) > JUDGED_LIMIT or data[at] != g.BIND:
            return None
        end = at + _long_at(data, at + 1)[0] + 1
        known = self._tails.get(data[end:])
        if known is None or (at and parsed is None):
            return None
        name, codes = known
        try:
            named_to = data.index(0, at + 5, end)
            if data[at + 5 : named_to] != name:
                return None
            portal = self._bound(data, at + 6 + len(name), end, parsed)
        except (ValueError, struct.error):
            return None  # malformed: the long way says how
        portal.portal_name = messages.wire_name(name)
        portal.bytes_in = len(data) - HEADER.size
        names = self._names
        names.begin()
        names.bound(portal)
        owners = (portal, portal, None) if len(codes) == _NO_DESCRIBE else (portal, None, portal, None)
        if parsed is None:
            segment = Segment((portal,), "sync", data, codes)
            segment.owners = owners
            return segment  # its `starts` say (0,): no refusal is placed after the Bind
        names.parsed(parsed)
        segment = Segment((portal,), "sync", data, (g.PARSE, *codes))
        segment.owners = (parsed, *owners)
        segment.starts = (0, at)
        return segment

    def _bound(self, data: bytes, at: int, end: int, parsed: Statement | None) -> Execution:
        """The execution of a Bind, read from its statement's name on.

        Raises ValueError or struct.error where the Bind is broken.
        """
        formats_at = data.index(0, at, end)
        name = data[at:formats_at].decode("utf-8", "surrogateescape")
        statement = parsed if parsed and parsed.name == name else self._names.statement(name)
        if statement is not None and statement.may_copy:
            raise ValueError
        count = _short_at(data, formats_at + 1)[0]
        at = formats_at + 3
        formats: tuple[int, ...] = ()
        if count:
            formats = struct.unpack_from(f">{count}H", data, at)
            at += 2 * count
        values: list[bytes | None] = []
        wanted = _short_at(data, at)[0]
        at += 2
        for _ in range(wanted):
            length = _long_at(data, at)[0]
            at += 4
            if length == _NULL:
                values.append(None)
            else:
                values.append(data[at : at + length])
                at += length
        if at + 2 + 2 * _short_at(data, at)[0] != end or (count > 1 and count != wanted):
            raise ValueError
        portal = self._names.new_execution("extended", statement.text if statement else None)
        portal.statement_name = name
        portal.prepared = statement
        portal.parameter_oids = statement.oids if statement else ()
        portal.parameter_formats = formats
        portal.values = tuple(values)
        return portal

    def _learn(self, segment: Segment, described: str | None) -> None:
        """Remember a [Parse] Bind [Describe portal] Execute Sync."""
        codes, owners, starts, raw = segment.codes, segment.owners, segment.starts, segment.raw
        first = 1 if codes[0] == g.PARSE else 0
        known = tuple(codes[first:])
        if known not in _FAMILIAR or owners[first] is not owners[-2]:
            return
        portal = owners[first].portal_name
        tail = raw[starts[first + 1] :]
        if len(tail) > _KEPT_BYTES or described not in {None, portal}:
            return
        if len(self._tails) >= _KEPT_SHAPES:
            self._tails.clear()
        self._tails[tail] = portal.encode("utf-8", "surrogateescape"), known
        if first and starts[1] <= _KEPT_BYTES:
            if len(self._parses) >= _KEPT_SHAPES:
                self._parses.clear()
            self._parses[raw[: starts[1]]] = owners[0]

    def _query(self, cut: Cut) -> Segment:
        raw = cut.raw
        if cut.too_large:
            execution = self._names.new_execution("simple", None)
            execution.forced = too_large()
        else:
            if raw.find(b"\x00", 5) != len(raw) - 1:
                raise ClientFault("Query: bytes after the end of the statement, or no end")
            execution = self._names.new_execution("simple", _text(raw[5:-1]))
        execution.bytes_in = len(raw)
        return Segment((execution,), "query", raw, _QUERY_CODES)

    def _call(self, cut: Cut) -> Segment:
        execution = self._names.new_execution(FUNCTION_CALL, None)
        if cut.too_large:
            execution.forced = too_large()
        else:
            call = read_function_call(cut.raw[HEADER.size :])
            execution.text = f"FunctionCall {call.oid}"
            execution.call = Called(call.oid, self._names.unsynced)
            execution.parameter_formats = call.formats
            execution.values = call.values
        execution.bytes_in = len(cut.raw)
        return Segment((execution,), "function_call", cut.raw, _CALL_CODES)


def bare_sync(raw: bytes = messages.SYNC) -> Segment:
    """A Sync alone."""
    segment = Segment((), "sync", raw, _SYNC_CODES)
    segment.owners = _NO_OWNER
    return segment


class _Walk:
    """One walk over the messages of an extended segment."""

    __slots__ = (
        "_before", "_codes", "_cut", "_mark", "_names", "_owners", "_starts", "described",
    )  # fmt: skip

    def __init__(self, names: Names, cut: Cut) -> None:
        self._names = names
        self._cut = cut
        self._codes: list[int] = []
        self._owners: list[Any] = []
        self._starts: list[int] = []
        self._before = names.last_key
        self._mark = 0
        self.described: str | None = None  # the last portal that was described

    def segment(self) -> Segment:
        """Read every message; raises ClientFault."""
        _, raw, types, starts, too_large_at = self._cut
        rest = 0
        ends = [*starts[1:], len(raw)]
        readers = _READERS
        for position, kind in enumerate(types):
            if kind == FLUSH:
                if ends[position] - starts[position] != 5:  # noqa: PLR2004 - a bare header
                    raise ClientFault("Flush: bytes where none belong")
                continue
            self._starts.append(starts[position])
            if position in too_large_at:
                self._refuse(kind, too_large())
                continue
            code, owner = readers[kind](self, raw[starts[position] + 5 : ends[position]], ends[position])
            self._codes.append(code)
            self._owners.append(owner)
            if code == g.EXECUTE and position + 1 < len(types) and _may_copy(owner):
                rest = position + 1
                raw = raw[: ends[position]]
                break
        # In the order in which the target begins with them: its planning runs code at a Bind.
        executions = tuple(dict.fromkeys(one for one in self._owners if isinstance(one, Execution)))
        how: SegmentKind = "cut" if rest else self._cut.kind or "cut"
        segment = Segment(executions, how, raw, self._codes)
        segment.owners = self._owners
        segment.starts = self._starts
        segment.rest = rest
        return segment

    def _refuse(self, kind: int, message: WireMessage) -> None:
        execution = self._names.new_execution("extended", None)
        execution.forced = message
        self._codes.append(kind)
        self._owners.append(execution)

    def parse(self, body: bytes, _end: int) -> tuple[int, Any]:
        message = messages.read_parse(body)
        text = _text(message.text) if self._names.has_room(len(message.text)) else None
        statement = Statement(message.statement, text, message.oids)
        self._names.parsed(statement)
        return g.PARSE, statement

    def bind(self, body: bytes, end: int) -> tuple[int, Any]:
        message = messages.read_bind(body)
        statement = self._names.statement(message.statement)
        portal = self._names.new_execution("extended", statement.text if statement else None)
        if statement is not None:
            portal.parameter_oids = statement.oids
        portal.statement_name = message.statement
        portal.prepared = statement
        portal.portal_name = message.portal
        portal.parameter_formats = message.formats
        portal.values = message.values
        portal.bind_only = True
        portal.bytes_in = end - self._mark
        self._names.bound(portal)
        return g.BIND, portal

    def execute(self, body: bytes, end: int) -> tuple[int, Any]:
        name, _ = messages.read_execute(body)
        portal = self._names.portal(name)
        if portal is None:
            execution = self._names.new_execution("extended", None)
            execution.portal_name = name
        elif portal.bind_only and portal.key > self._before:
            execution = portal
            execution.bind_only = False
        else:
            execution = self._names.another(portal)
        execution.bytes_in = end - self._mark
        self._mark = end
        if _GIVES_NAMES.match(execution.text):
            self._names.cloud()
        return g.EXECUTE, execution

    def describe(self, body: bytes, _end: int) -> tuple[int, Any]:
        kind, name = messages.read_described(body, "Describe")
        if kind == "S":
            return g.DESCRIBE_STATEMENT, (self._names.statement(name),)
        self.described = name
        return g.DESCRIBE, None

    def close(self, body: bytes, _end: int) -> tuple[int, Any]:
        closed = messages.read_described(body, "Close")
        self._names.closed(*closed)
        return g.CLOSE, closed

    def sync(self, body: bytes, _end: int) -> tuple[int, Any]:
        if body:
            raise ClientFault("Sync: bytes where none belong")
        return g.SYNC, None


_READERS: Final = {
    g.PARSE: _Walk.parse, g.BIND: _Walk.bind, g.EXECUTE: _Walk.execute,
    g.DESCRIBE: _Walk.describe, g.CLOSE: _Walk.close, g.SYNC: _Walk.sync,
}  # fmt: skip


def _may_copy(execution: Execution) -> bool:
    return execution.prepared is not None and execution.prepared.may_copy


def _text(data: bytes) -> str | None:
    """Statement text as the target reads it under UTF8; None when it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
