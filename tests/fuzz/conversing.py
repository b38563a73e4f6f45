"""Fuzz target: a whole conversation between any client and a target that keeps the protocol, or lies.

It runs twice, with all bytes at once and in pieces, and both runs must be the same one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from support.postgres_wire import frames

from fuzz.draw import Draw
from fuzz.fake_target import FakeTarget
from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    Conversation,
    Execution,
    Ready,
    Refused,
    Relay,
    Released,
    Settled,
    Submit,
    Terminate,
    ToTarget,
    Verdict,
    Violation,
)

_NO = WireMessage("42501", "gatekeep: no")
_LONG = "n" * 63
_NAMES = ("", "", "a", "b", _LONG + "1", _LONG + "2")
_TEXTS = (
    "one", "rows a", "rows b", "begin", "commit", "rollback", "fail", "broken", "", "deallocate all",
    "copy out", "denied", "rows denied", "turns", "two", "rows c",
)  # fmt: skip
_ENDS = {"commit", "rollback"}
_TO_CLIENT = set("123CDEGHINSTVZAcdnst")
_JUNK = (
    m.frame(b"G", b"\0\0\0"), m.frame(b"W", b"\0\0\0"), m.frame(b"H", b"\0\0\0"), m.frame(b"R", bytes(4)),
    m.frame(b"R", b"\0\0\0\3"), m.frame(b"K", bytes(8)), m.frame(b"v", bytes(8)), m.ready_for_query("I"),
    m.ready_for_query("E"), m.frame(b"Z", b"?"), m.frame(b"C", b"SELECT 1\0"), m.frame(b"C", b"x"),
    m.frame(b"D", b"\0\0"), b"D\xff\xff\xff\xff", b"T\0\0\0\1", m.frame(b"1"), m.frame(b"2"), m.frame(b"3"),
    m.frame(b"s"), m.frame(b"n"), m.frame(b"I"), m.frame(b"c"), m.frame(b"d", b"x"), m.frame(b"t", b"\0\0"),
    m.parameter_status("client_encoding", "LATIN1"), m.parameter_status("search_path", "x"),
    m.error_response(WireMessage("57P01", "good-bye", severity="FATAL")),
    m.error_response(WireMessage("42501", "gatekeep: mine")), m.frame(b"E", b"\0"), m.frame(b"!", b"\0"),
)  # fmt: skip


class Run:
    """One conversation from begin to end, and what came of it."""

    def __init__(self, target: FakeTarget, *, lenient: bool, lie: Callable[[bytes], bytes]) -> None:
        counter = itertools.count(1)
        self.conversation = Conversation(
            draw_nonce=lambda: f"{next(counter):032x}", target="shop", vector=SessionVector()
        )
        self.target = target
        self.lenient = lenient
        self.lie = lie
        self.sent: list[bytes] = []
        self.relayed = b""
        self.violations: list[Violation] = []
        self.settled: list[tuple[int, object]] = []
        self.ran: list[tuple[str, object]] = []
        self.released: list[Execution] = []
        self.refusals = 0
        self.probes = 0
        self.takes = 0
        self.ready = 0
        self.over = False
        self._out = False
        self._answers: list[bytes] = []
        self._fed = 0

    def play(self, client: Iterable[bytes], cut: Callable[[bytes], Iterator[bytes]]) -> None:
        """The client sends these pieces; every answer of the target comes cut like that."""
        for piece in client:
            self._fed += len(piece)
            self._turns(self.conversation.receive_client(piece))
            while self._answers:
                for answer in cut(self._answers.pop(0)):
                    turns = self.conversation.receive_target(answer)
                    blamed = any(one.owner == "target" for one in self.violations)
                    assert not (blamed and turns), "turns after the target's violation"
                    for turn in turns:
                        self._turn(turn)
                    if turns:
                        self._turns(self.conversation.next_turns())
            assert self.conversation.held <= self._fed
            assert self.conversation.backlog <= self.conversation.held

    def _turns(self, turns: list[object]) -> None:
        while turns:
            assert len([one for one in turns if not isinstance(one, ToTarget)]) <= 1
            for turn in turns:
                assert not self.over, "turns after the end"
                self._turn(turn)
            turns = self.conversation.next_turns()

    def _turn(self, turn: object) -> None:
        if isinstance(turn, Submit):
            self._judge(turn)
        elif isinstance(turn, Relay):
            self.relayed += turn.data
        elif isinstance(turn, Settled):
            # Where an answer to a lone Parse is counted depends on what was in flight with it.
            # So does how many rows went out before an error was known.
            bytes_in = 0 if "copy taken from stdin" in turn.execution.text else turn.outcome.bytes_in
            outcome = turn.outcome._replace(bytes_in=bytes_in, bytes_out=0)
            self.settled.append((turn.execution.key, outcome))
            if turn.outcome.kind is not OutcomeKind.SKIPPED:
                self.ran.append((turn.execution.text, self.settled[-1][1]))
            self._true(turn)
        elif isinstance(turn, ToTarget):
            self.probes += b"gk_" in turn.data
            self._send(turn.data)
        elif isinstance(turn, Violation):
            self.violations.append(turn)
            self.over = True
        elif isinstance(turn, Ready):
            self.ready += 1
        elif isinstance(turn, Terminate):
            self.over = True

    def _true(self, turn: Settled) -> None:
        """What is recorded of an execution is what the target ran."""
        told, outcome = turn.execution, turn.outcome
        if outcome.tag.startswith("RAN ") and not told.unknown_source and told.mode == "extended":
            assert outcome.tag == f"RAN {told.text}", (outcome.tag, told.text)

    def _judge(self, turn: Submit) -> None:
        assert not self._out, "a second Submit while one is out"
        self._out = True
        assert self.conversation.next_turns() == []
        verdicts: list[Verdict] = []
        for execution in turn.segment.executions:
            if verdicts and isinstance(verdicts[-1], Refused):
                verdicts.append(verdicts[-1])
                continue
            verdicts.append(self._verdict(execution))
            if isinstance(verdicts[-1], Released) and verdicts[-1].probe_after:
                break  # what stands behind it comes again
        known = self.conversation.vector is not None or turn.segment.vector is None
        for execution, verdict in zip(turn.segment.executions, verdicts, strict=False):
            if isinstance(verdict, Refused) or not known or execution.forced:
                self.refusals += 1
                break
            self.released.append(execution)
        self._out = False
        self._send(self.conversation.release(turn.segment, verdicts))

    def _verdict(self, execution: Execution) -> Verdict:
        text = execution.text
        if execution.vector is None and text not in _ENDS:
            return Refused(None if self.conversation.transaction_status == "E" else _NO)
        if not self.lenient and ("denied" in text or execution.unknown_source):
            return Refused(_NO)
        copies = 9 if execution.unknown_source else text.count("copy out")
        takes = text.count("copy taken from stdin")
        self.takes += takes
        return Released("turns" in text and not takes, copies_out=copies, copies_in=takes)

    def _send(self, data: bytes) -> None:
        if data:
            self.sent.append(data)
            answer = self.lie(self.target.feed(data))
            if answer:
                self._answers.append(answer)


def client_stream(draw: Draw) -> tuple[bytes, bool]:
    """What a client sends, with a Sync at the end; and whether all of it is whole messages."""
    parts = [_message(draw) for _ in draw.times(14)]
    garbled = draw.chance(8)
    if garbled:
        at = draw.below(len(parts))
        parts[at] = draw.damaged(parts[at])
    return b"".join(parts) + m.SYNC, not garbled


def _message(draw: Draw) -> bytes:
    name, portal, text = draw.choice(_NAMES), draw.choice(_NAMES), draw.choice(_TEXTS)
    way = draw.below(18)
    if way >= 16:
        return _copy_in(draw, name_sync=draw.choice((b"", m.SYNC, m.FLUSH, m.SYNC + m.SYNC)))
    if way < 3:
        return m.query(text if way else f"{text}; {draw.choice(_TEXTS)}")
    if way < 6:
        bound = m.parse(name, text) + m.bind(portal, name)
        return bound + (m.describe("P", portal) if draw.chance(2) else b"") + m.execute(portal) + m.SYNC
    return (
        lambda: m.parse(name, text),
        lambda: m.bind(portal, name),
        lambda: m.bind(portal, name) + m.execute(portal, draw.below(3)),
        lambda: m.execute(portal, draw.below(3)),
        lambda: m.describe(draw.choice("SP"), name),
        lambda: m.close(draw.choice("SP"), name),
        lambda: m.FLUSH,
        lambda: m.SYNC,
        lambda: draw.choice((m.frame(b"d", b"x"), m.frame(b"c"), m.frame(b"f", b"x\0"))),
        lambda: draw.choice((m.frame(b"F", bytes(10)), m.TERMINATE, m.SYNC)),
    )[way - 6]()


def _copy_in(draw: Draw, name_sync: bytes) -> bytes:
    """COPY FROM STDIN under a name of its own, with its rows and their end."""
    rows = b"".join(
        draw.choice((m.frame(b"d", b"1"), m.frame(b"d"), m.frame(b"d", b"x"), m.SYNC, m.FLUSH))
        for _ in range(draw.below(5))
    ) + draw.choice((m.frame(b"c"), m.frame(b"c"), m.copy_fail("no")))
    if draw.chance(2):
        return m.query(draw.choice(("copy taken from stdin", "rows a; copy taken from stdin; two", "copy taken from stdin; fail"))) + rows
    named = m.close("S", "k") + m.close("P", "k") + m.parse("k", "copy taken from stdin")
    return named + m.bind("k", "k") + m.execute("k") + name_sync + rows + draw.choice((m.SYNC, b""))


def check(draw: Draw) -> None:
    """Both runs are the same; nothing refused is run, nothing invented is sent or told."""
    seed, noise = draw.below(1 << 32), draw.choice((0, 0, 30))
    lenient, lies = draw.chance(2), draw.chance(2)
    stream, clean = client_stream(draw)
    junk = draw.choice(_JUNK) if draw.chance(2) else draw.some(12)
    when, where = draw.below(8), draw.below(64)

    def played(pieces: Iterable[bytes], cut: Callable[[bytes], Iterator[bytes]]) -> Run:
        answers = itertools.count()

        def lie(answer: bytes) -> bytes:
            if not lies or next(answers) != when:
                return answer
            at = min(where, len(answer))
            return answer[:at] + junk + answer[at:]

        target = FakeTarget(seed, strict=not lenient, noise=noise)
        target.lies = lies
        run = Run(target, lenient=lenient, lie=lie)
        run.play(pieces, cut)
        return run

    whole = played([stream], lambda data: iter([data]))
    pieced = played(list(draw.pieces(stream)), draw.pieces)
    _sound(whole, stream, lies=lies)
    _sound(pieced, stream, lies=lies)
    for run in (whole, pieced):
        if clean and not lies and not run.over:
            assert not run.conversation.unsettled(), "the last Sync settles everything"
            assert not run.conversation.held
    if not lies and (clean or b"copy taken from stdin" not in stream):
        # What a target skips after an error is sent or not, as its answer comes early or late.
        assert _plain_frames(pieced) == _plain_frames(whole)
        assert pieced.ran == whole.ran
        assert pieced.violations == whole.violations


def _sound(run: Run, stream: bytes, *, lies: bool) -> None:
    """What holds of every run."""
    keys = [key for key, _ in run.settled]
    open_ = [one.key for one in run.conversation.unsettled()]
    assert len(set(keys)) == len(keys), "settled twice"
    assert len(set(open_)) == len(open_)
    assert not set(keys) & set(open_), "settled and open"
    assert set(keys) | set(open_) == {one.key for one in run.released}, "an execution lost or invented"
    assert len({one.owner for one in run.violations}) == len(run.violations)
    seen = list(_whole_frames(run.relayed))
    assert {kind for kind, _ in seen} <= _TO_CLIENT
    assert all(not body.startswith(b"SNOTICE\0VNOTICE\0C00000\0Mgatekeep") for k, body in seen if k == "N")
    asked = [kind for kind, _ in _whole_frames(stream)]
    assert sum(kind == "Z" for kind, _ in seen) <= sum(kind in "SQF" for kind in asked) + lies
    assert sum(kind == "G" for kind, _ in seen) <= run.takes, "rows are pulled for what takes none"
    _only_the_clients(run, stream)
    if lies:
        return
    owners = {one.owner for one in run.violations}
    # What cannot be read as UTF-8 may go out, and may then not be a COPY FROM STDIN.
    unread = run.lenient and any(one.unknown_source for one in run.released)
    assert owners <= {"client"} or unread, "an honest target was blamed"
    if not (run.refusals or run.probes or run.target.masked or run.over):
        assert run.relayed == run.target.answered, "the client sees what the target says"


def _plain_frames(run: Run) -> list[tuple[str, bytes]]:
    """What was relayed, without what may come at any time: a probe more moves it."""
    return [one for one in frames(run.relayed) if one[0] not in "NSA"]


def _whole_frames(data: bytes, *, half: bool = True) -> Iterator[tuple[str, bytes]]:
    """Messages up to one that is not whole; that one too if it is a row of which a `half` counts."""
    at = 0
    while len(data) - at >= 5:
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        if at + 1 + length > len(data) or length < 4:
            if data[at] not in b"Dd" or not half:
                return
            yield chr(data[at]), data[at + 5 :]
            return
        yield chr(data[at]), data[at + 5 : at + 1 + length]
        at += 1 + length


def _only_the_clients(run: Run, stream: bytes) -> None:
    """Every message sent is the client's, in order, or one of ours, and ours carry our name."""
    theirs = iter(list(_whole_frames(stream)))
    sent = list(_whole_frames(b"".join(run.sent), half=False))
    for at, (kind, body) in enumerate(sent):
        before = sent[at - 1] if at else ("", b"")
        after = sent[at + 1] if at + 1 < len(sent) else ("", b"")
        if b"gk_" in body or kind == "H" or (kind, body) == ("Q", b"SELECT 1\0"):
            continue  # ours, as is a Flush behind a COPY; the Query fails in a failed transaction
        if kind == "S" and any(one[0] == "C" and b"gk_" in one[1] for one in (before, after)):
            continue  # the Sync that ends a probe, or asks how many Syncs were ignored
        # After an error a Sync is sent on without what a broken client may have put into it.
        known = any(one == (kind, body) or one[0] == kind == "S" for one in theirs)
        assert known, f"{kind} {body!r} is not the client's"
