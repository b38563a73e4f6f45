"""A target in memory that keeps the protocol: names, portals, transactions, skipping to Sync.

Texts say what it does; its tags say what it ran (`RAN <text>`), so that what the gateway believes
it ran can be compared. What it answers depends only on its seed and the bytes it gets.
"""

from __future__ import annotations

import random
import struct

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.vector import SETTINGS

COLUMNS = m.frame(b"T", b"\x00\x01n\x00" + bytes(18))
_VECTOR = ("on", "UTF8", '"$user", public', "none", "origin", "on", "off")
_KEPT = 63  # bytes of a name


class FakeTarget:
    """`feed` takes bytes and answers bytes. `strict`: nothing that says `denied` may come to run."""

    def __init__(self, seed: int, *, strict: bool, noise: int) -> None:
        self._draw = random.Random(seed)
        self._said = random.Random(seed)
        self._strict = strict
        self._noise = noise
        self._statements: dict[bytes, bytes] = {}
        self._portals: dict[bytes, list[int | bytes]] = {}  # text, rows left
        self._status = "I"
        self._skipping = False
        self._held = b""
        self._taking = ""  # simple or extended, while it takes rows
        self._waiting: list[bytes] = []  # statements of a Query behind its COPY FROM STDIN
        self._rows_taken = 0
        self.lies = False
        self.masked = False
        self.answered = b""

    def feed(self, data: bytes) -> bytes:
        """Answers to every whole message."""
        self._held += data
        out = []
        while len(self._held) >= 5:
            length = int.from_bytes(self._held[1:5], "big")
            if len(self._held) <= length:
                break
            kind, body = self._held[:1], self._held[5 : 1 + length]
            self._held = self._held[1 + length :]
            if self._taking:
                out.append(self._takes(kind, body))
                continue
            if self._skipping and kind != b"S":
                continue
            out.append(self._sayings() + _ANSWERS[kind](self, body))
        answer = b"".join(out)
        self.answered += answer
        return answer

    # --- one message each ---------------------------------------------------------------------

    def _query(self, body: bytes) -> bytes:
        self._statements.pop(b"", None)
        self._portals.pop(b"", None)
        out = b""
        text = body[:-1]
        if text.startswith(b"gk_"):
            out = self._fails("42601", f'syntax error at or near "{text.decode()}"')
        elif not text.strip(b"; "):
            out = m.frame(b"I")
        else:
            return self._goes_on([one.strip() for one in text.split(b";")])
        return out + self._sync(b"")

    def _goes_on(self, texts: list[bytes]) -> bytes:
        """The statements of a Query one after the other, until one takes rows or fails."""
        out = b""
        while texts:
            reply, failed = self._runs(texts.pop(0), -1)
            out += reply
            if self._taking:
                self._waiting = texts
                return out
            if failed:
                break
        return out + self._sync(b"")

    def _takes(self, kind: bytes, body: bytes) -> bytes:
        """A message while rows are taken; anything else would close the connection."""
        # A liar may have said that it takes none.
        assert kind in b"dcfHS" or self.lies, f"{kind!r} while rows are taken"
        if kind not in b"dcf":
            return b""
        if kind == b"d":
            self._rows_taken += 1
            if b"x" not in body:
                return b""
        simple, self._taking = self._taking == "simple", ""
        if kind == b"c":
            done = _tag(f"COPY {self._rows_taken}".encode())
            return done + self._goes_on(self._waiting) if simple else done
        failed = self._fails("22P02" if kind == b"d" else "57014", "no more rows")
        self._skipping = not simple
        return failed + (self._sync(b"") if simple else b"")

    def _parse(self, body: bytes) -> bytes:
        name, text, _ = body.split(b"\0", 2)
        name = name[:_KEPT]
        if not name:
            self._statements.pop(b"", None)
        if self._status == "E" and text not in _ENDS:
            return self._error("25P02", "current transaction is aborted")
        if text == b"broken":
            return self._error("42601", "syntax error")
        if name in self._statements:
            return self._error("42P05", "prepared statement already exists")
        self._statements[name] = text
        return m.frame(b"1")

    def _bind(self, body: bytes) -> bytes:
        portal, name, _ = body.split(b"\0", 2)
        portal, name = portal[:_KEPT], name[:_KEPT]
        text = self._statements.get(name)
        if text is None:
            return self._error("26000", "prepared statement does not exist")
        if self._status == "E" and text not in _ENDS:
            return self._error("25P02", "current transaction is aborted")
        if portal and portal in self._portals:
            return self._error("42P03", "cursor already exists")
        self._must_not_run(text)
        self._portals[portal] = [text, self._draw.randrange(4) if text.startswith(b"rows") else 0]
        return m.frame(b"2")

    def _describe(self, body: bytes) -> bytes:
        name = body[1:-1][:_KEPT]
        if body[:1] == b"S":
            text = self._statements.get(name)
            if text is None:
                return self._error("26000", "prepared statement does not exist")
            return m.frame(b"t", b"\0\0") + self._shape_of(text)
        portal = self._portals.get(name)
        if portal is None:
            return self._error("34000", f'portal "{name.decode("latin1")}" does not exist')
        return self._shape_of(bytes(portal[0]))  # type: ignore[arg-type] # the text

    def _execute(self, body: bytes) -> bytes:
        name, _, limit = body.partition(b"\0")
        portal = self._portals.get(name[:_KEPT])
        if portal is None:
            return self._error("34000", f'portal "{name.decode("latin1")}" does not exist')
        text, left = portal
        assert isinstance(text, bytes)
        assert isinstance(left, int)
        if not text:
            return m.frame(b"I")
        most = struct.unpack(">I", limit)[0]
        if text.startswith(b"rows") and 0 < most <= left and self._status != "E":
            portal[1] = left - most
            return self._row() * most + m.frame(b"s")
        reply, failed = self._runs(text, left)
        portal[1] = 0
        self._skipping = failed
        return reply

    def _close(self, body: bytes) -> bytes:
        table = self._statements if body[:1] == b"S" else self._portals
        table.pop(body[1:-1][:_KEPT], None)  # type: ignore[attr-defined] # one of two dicts
        return m.frame(b"3")

    def _sync(self, _body: bytes) -> bytes:
        self._skipping = False
        if self._status == "I":
            self._portals.clear()
        return m.ready_for_query(self._status)

    def _call(self, _body: bytes) -> bytes:
        return m.frame(b"V", b"\xff\xff\xff\xff") + self._sync(b"")

    def _nothing(self, _body: bytes) -> bytes:
        return b""

    # --- what texts do --------------------------------------------------------------------------

    def _runs(self, text: bytes, rows: int) -> tuple[bytes, bool]:  # noqa: PLR0911 - one for each text
        """The reply to one statement, and whether it failed. `rows` -1: a simple Query's."""
        self._must_not_run(text)
        simple = rows < 0
        if self._status == "E" and text not in _ENDS:
            return self._fails("25P02", "current transaction is aborted"), True
        if text in _ENDS:
            tag = b"COMMIT" if text == b"commit" and self._status != "E" else b"ROLLBACK"
            self._status = "I"
            self._portals.clear()
            return _tag(tag), False
        if text == b"begin":
            self._status = "T"
            return _tag(b"BEGIN"), False
        if text.startswith((b"fail", b"broken")):
            return self._fails("22012", "division by zero"), True
        if b"current_setting" in text:
            values = [value.encode() for value in _VECTOR] + [b"0", None]
            assert len(values) == len(SETTINGS) + 2
            row = struct.pack(">H", len(values)) + b"".join(
                b"\xff\xff\xff\xff" if value is None else struct.pack(">I", len(value)) + value
                for value in values
            )
            return m.frame(b"D", row) + _tag(b"SELECT 1"), False
        if text == b"deallocate all":
            self._statements.clear()
            return _tag(b"DEALLOCATE ALL"), False
        if text == b"copy taken from stdin":
            self._taking, self._rows_taken = "simple" if simple else "extended", 0
            return m.frame(b"G", b"\0\0\0"), False
        if text == b"copy out":
            count = self._draw.randrange(4)
            rows_out = b"".join(m.frame(b"d", bytes(self._draw.randrange(9))) for _ in range(count))
            begun = m.frame(b"H", b"\0\0\0") + rows_out
            if self._draw.random() < 0.2:
                return begun + self._fails("22012", "division by zero"), True
            return begun + m.frame(b"c") + _tag(f"COPY {count}".encode()), False
        if text.startswith(b"rows"):
            head = COLUMNS if simple else b""
            count = self._draw.randrange(4) if simple else rows
            return head + self._row() * count + _tag(b"RAN " + text), False
        return _tag(b"RAN " + text), False

    def _must_not_run(self, text: bytes) -> None:
        assert not (self._strict and b"denied" in text), "what was refused came to run"

    def _row(self) -> bytes:
        return m.frame(b"D", b"\0\1\0\0\0\1" + b"7")

    def _shape_of(self, text: bytes) -> bytes:
        return COLUMNS if text.startswith(b"rows") else m.frame(b"n")

    def _fails(self, sqlstate: str, text: str) -> bytes:
        if self._status == "T":
            self._status = "E"
        return m.error_response(WireMessage(sqlstate, text))

    def _error(self, sqlstate: str, text: str) -> bytes:
        self._skipping = True
        return self._fails(sqlstate, text)

    def _sayings(self) -> bytes:
        """What may come at any time."""
        if self._said.randrange(100) >= self._noise:
            return b""
        way = self._said.randrange(4)
        if way == 0:
            return m.parameter_status("TimeZone", "UTC")
        if way == 1:
            return m.frame(b"A", bytes(4) + b"channel\0payload\0")
        self.masked |= way == 2
        text = "gatekeep: pay here" if way == 2 else "a notice"
        return m.notice_response(WireMessage("00000", text, severity="NOTICE"))


def _tag(text: bytes) -> bytes:
    return m.frame(b"C", text + b"\0")


_ENDS = (b"commit", b"rollback")
_ANSWERS = {
    b"Q": FakeTarget._query, b"P": FakeTarget._parse, b"B": FakeTarget._bind,
    b"D": FakeTarget._describe, b"E": FakeTarget._execute, b"C": FakeTarget._close,
    b"S": FakeTarget._sync, b"F": FakeTarget._call, b"H": FakeTarget._nothing,
    b"X": FakeTarget._nothing, b"d": FakeTarget._nothing, b"c": FakeTarget._nothing,
    b"f": FakeTarget._nothing,
}  # fmt: skip
