"""Fuzz target: a hostile target's answers, right up to a point of its choosing.

The next answer is mostly one that the grammar allows, so that lies come in every state. What was
told in pieces is told again whole: both must mean the same.
"""

from __future__ import annotations

import itertools
import struct

from support.postgres_wire import frames

from fuzz.draw import Draw
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    ClientTurn,
    Conversation,
    Notification,
    Onward,
    Ready,
    Refused,
    Relay,
    Released,
    Settled,
    Submit,
    TargetTurn,
    ToTarget,
    Violation,
)

_NO = WireMessage("42501", "gatekeep: no")
_ASKED = (
    m.query("select 1"), m.query("copy out"), m.query("denied"), m.query("copy out; copy out"),
    m.parse("", "x") + m.bind("", "") + m.describe("P", "") + m.execute("") + m.SYNC,
    m.parse("a", "x") + m.describe("S", "a") + m.SYNC, m.bind("p", "") + m.execute("p", 2) + m.SYNC,
    m.parse("", "copy out") + m.bind("", "") + m.execute("") + m.SYNC, m.close("S", "a") + m.SYNC,
    m.parse("", "x") + m.bind("", "") + m.execute("") + m.FLUSH, m.frame(b"F", bytes(10)), m.SYNC,
    m.parse("", "denied") + m.bind("", "") + m.execute("") + m.SYNC, m.bind("", "") + m.FLUSH, b"",
    m.query("copy taken from stdin") + m.frame(b"d", b"secret") + m.SYNC + m.frame(b"c") + m.query("select 1"),
    m.parse("", "copy taken from stdin") + m.bind("", "") + m.execute("") + m.frame(b"d", b"secret") + m.frame(b"c") + m.SYNC,
)  # fmt: skip
_RIGHT: dict[int, tuple[bytes, ...]] = {
    ord("1"): (b"",), ord("2"): (b"",), ord("3"): (b"",), ord("n"): (b"",), ord("I"): (b"",),
    ord("s"): (b"",), ord("c"): (b"",), ord("Z"): (b"I", b"T", b"E"), ord("V"): (b"\xff\xff\xff\xff",),
    ord("T"): (b"\0\1n\0" + bytes(18), b"\0\0"), ord("D"): (b"\0\0", b"\0\1\0\0\0\1x", bytes(300)),
    ord("d"): (b"", b"x", bytes(300)), ord("t"): (b"\0\0", b"\0\1\0\0\0\x17"),
    ord("H"): (b"\0\0\0", b"\0\0\1\0\0"), ord("G"): (b"\0\0\0",),
    ord("C"): (b"SELECT 1\0", b"COPY 3\0", b"DEALLOCATE ALL\0", b"DISCARD ALL\0", b"COPY \xd9\xa3\0", b"\0"),
}  # fmt: skip
_ANY_TIME = (
    m.notice_response(WireMessage("00000", "gatekeep: pay here", severity="NOTICE")),
    m.notice_response(WireMessage("00000", "\x1b gateKEEP: see https://evil", severity="NOTICE")),
    m.notice_response(WireMessage("00000", "hello", severity="NOTICE")),
    m.frame(b"A", bytes(4) + b"channel\0payload\0"), m.parameter_status("TimeZone", "UTC"),
    m.error_response(WireMessage("22012", "division by zero")),
    m.error_response(WireMessage("42501", "gatekeep: policy does not allow this")),
    m.error_response(WireMessage("34000", f'portal "gk_{1:032x}" does not exist')),
    m.error_response(WireMessage("57014", "canceling statement")),
    m.error_response(WireMessage("57P01", "good-bye", severity="FATAL")),
)  # fmt: skip
_LIES = (
    m.frame(b"G", b"\0\0\0"), m.frame(b"W", b"\0\0\0"), m.frame(b"R", bytes(4)), m.frame(b"R", b"\0\0\0\3"),
    m.frame(b"K", bytes(8)), m.frame(b"v", bytes(8)), m.frame(b"Z", b"X"), m.frame(b"Z"), m.frame(b"C", b"x"),
    m.frame(b"H", b"\0\0\1"), m.frame(b"T", b"\0\2n\0" + bytes(18)), m.frame(b"t", b"\0\1"), m.frame(b"1", b"x"),
    m.parameter_status("x", "y" * 64_001), m.parameter_status("x", "y") * 1_001, m.frame(b"S", b"x\0"),
    m.frame(b"N", b"\0\0"), m.frame(b"E", b"SERROR\0"), m.frame(b"A", b"\0\0"), b"T\x7f\xff\xff\xff",
    b"D\xff\xff\xff\xff", b"T\0\0\0\3", b"D\0\0\0\5x", b"\0\0\0\0\0", b"Z\1\0\0\1I", m.frame(b"!"),
)  # fmt: skip
_TO_CLIENT = set("123CDEGHINSTVZAcdnst")
_MOST_HELD = 16 << 20


class _Told:
    """What came of a target's words."""

    def __init__(self) -> None:
        counter = itertools.count(1)
        self.conversation = Conversation(
            draw_nonce=lambda: f"{next(counter):032x}", target="shop", vector=SessionVector()
        )
        self.relayed = b""
        self.others: list[object] = []
        self.blamed = False
        self.sent = b""
        self.keys: list[int] = []

    def asks(self, data: bytes) -> None:
        self._onward(self.conversation.receive_client(data))

    def _onward(self, turns: list[ClientTurn]) -> None:
        while turns:
            for turn in turns:
                if isinstance(turn, ToTarget):
                    self.sent += turn.data
                    continue
                assert isinstance(turn, Submit)
                takes = any("copy taken from stdin" in one.text for one in turn.segment.executions)
                sent = self.conversation.release(turn.segment, [self._verdict(e.text) for e in turn.segment.executions])
                self.sent += sent if takes else b""
            turns = self.conversation.next_turns()

    @staticmethod
    def _verdict(text: str) -> Refused | Released:
        return Refused(_NO) if "denied" in text else Released(
            copies_out=text.count("copy out"), copies_in=text.count("copy taken from stdin")
        )

    def hears(self, data: bytes) -> None:
        turns = self.conversation.receive_target(data)
        assert not (self.blamed and turns)
        for turn in turns:
            self._turn(turn)
        if self.sent:
            self._onward(self.conversation.next_turns())
        assert len(self.conversation._replies._held) <= _MOST_HELD + len(data)

    def _turn(self, turn: TargetTurn) -> None:
        if isinstance(turn, Relay):
            self.relayed += turn.data
            return
        if isinstance(turn, ToTarget):
            self.sent += turn.data
            return
        if isinstance(turn, Onward):
            return
        assert isinstance(turn, Settled | Ready | Notification | Violation)
        if isinstance(turn, Settled):
            assert turn.execution.key not in self.keys, "settled twice"
            self.keys.append(turn.execution.key)
            self.others.append((turn.execution.key, turn.outcome))
            return
        self.others.append(turn)
        if isinstance(turn, Violation):
            assert turn.owner == "target"
            self.blamed = True


def check(draw: Draw) -> None:
    """No lie is passed on, nothing is pulled from the client, and pieces do not matter."""
    asked = b"".join(draw.choice(_ASKED) for _ in range(1 + draw.below(2)))
    pieced = _Told()
    pieced.asks(asked)
    said = []
    rewritten = b"denied" in asked
    for _ in draw.times(24):
        answer = _answer(draw, pieced)
        said.append(answer)
        rewritten |= b"gatekeep" in answer.lower()
        for piece in draw.pieces(answer) if len(answer) < 2000 else [answer]:
            pieced.hears(piece)
    told = b"".join(said)
    whole = _Told()
    whole.asks(asked)
    whole.hears(told)
    if b"copy taken from stdin" in asked:
        # Its rows go out between its answers, so that pieces matter; but not one without a G.
        assert b"secret" not in pieced.sent or b"G\0\0\0" in pieced.relayed
        return
    assert b"G\0\0\0" not in pieced.relayed
    assert whole.relayed == pieced.relayed
    assert whole.others == pieced.others
    if not rewritten:
        assert told.startswith(whole.relayed), "what is relayed is what was said"
    if not whole.blamed and whole.conversation.transaction_status:
        _well_formed(whole.relayed)


def _answer(draw: Draw, told: _Told) -> bytes:
    way = draw.below(24)
    allowed = sorted(told.conversation._replies._row)
    if way < 17 and allowed:
        kind = draw.choice(allowed)
        return m.frame(bytes([kind]), draw.choice(_RIGHT[kind])) if kind in _RIGHT else b""
    if way < 21:
        return draw.choice(_ANY_TIME)
    if way < 23:
        return draw.choice(_LIES)
    return draw.damaged(draw.choice(_ANY_TIME)) if draw.chance(2) else draw.some(20)


def _well_formed(data: bytes) -> None:
    """What a client got so far: whole messages of kinds that a client may get, the last row perhaps not."""
    at = 0
    while len(data) - at >= 5:
        length = struct.unpack_from(">I", data, at + 1)[0]
        if at + 1 + length > len(data):
            assert data[at] in b"Dd", "half a message that is not a row"
            return
        assert chr(data[at]) in _TO_CLIENT
        at += 1 + length
    for kind, body in frames(data):
        told = dict(m.read_fields(body)) if kind == "N" else {}
        assert not told.get(b"M", b"").lstrip(b" \x1b").lower().startswith(b"gatekeep")
