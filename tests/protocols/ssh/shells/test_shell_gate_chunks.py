"""Whatever both sides send: how the stream was cut changes nothing, nothing is lost or made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_gate import ShellGate
from gatekeep.protocols.ssh.shells.turns import LineEntered, Tell, ToClient, ToTarget, Turn

SECRET = "\u01c2".encode()
_FROM_TARGET = [
    b"\x1b[?2004h", b"\x1b[?2004h$ ", b"$ ", b"> ", b"\x1b[?2004l\r", b"\r\n", b"\x1b[?1049h",
    b"\x1b[?1049l", b"\x1b]133;A\x07", b"\x1b]133;B\x1b\\", b"\x1b]133;C\x07", b"ls", b" -la",
    b"\x08", b"\x1b[K", b"\x1b[A", b"\x1b[C", b"\r", b"\x1b[H\x1b[2J", b"\x1b[3@", b"\x1b[2P",
    b"\x1bP+q544e\x1b\\", b"\x18B00", b"\xe6\xbc\xa2", b"\xe6", b"\xff", b"e\xcc\x81", b"^C\r\n",
    b"(reverse-i-search)`l': ls", b"\x1b[?2004", b"h", b"\x1b]0;title", b"\x07", b"\x1bc", b"a" * 90,
    b"\x1b[?1049;2004h", b"\x1b[r", b"\x1b[5;5H", b"\x1b7", b"\x1b8", b"\x1b[L", b"\x1b[M", b"\t",
    b"\xc2\x9b", b"\x1b(0", b"\x1b(B", b"\x1b[4h", b"\x1b[1J",
]  # fmt: skip
_FROM_CLIENT = [
    b"ls", b"\r", b"\n", b"\x0f", b"\x03", b"\x04", b"\x1b[A", b"\t", b"\x16", b"\x1b[200~",
    b"a\rb", b"\x1b[201~", b"\x12", b"\x7f", b"ls\rls\r", b"\x1b", b"\x1b[2;2R", SECRET,
]  # fmt: skip
Event: TypeAlias = tuple[str, bytes | int | bool]
_EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.tuples(st.just("target"), st.lists(st.sampled_from(_FROM_TARGET), max_size=6).map(b"".join)),
        st.tuples(st.just("target"), st.binary(max_size=20)),
        st.tuples(st.just("client"), st.sampled_from(_FROM_CLIENT)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 20, 70, 160, 600, 2_500])),
        st.tuples(st.just("answer"), st.booleans()),
        st.tuples(st.just("resize"), st.sampled_from([1, 20, 79, 5_000])),
    ),
    max_size=25,
)
_RULES = st.builds(
    GateRules,
    gated=st.booleans(),
    login_shell=st.sampled_from(["bash", "zsh"]),
    hidden_input=st.sampled_from(["allow", "alert", "ask", "deny"]),
    unknown=st.sampled_from(["allow", "ask", "deny"]),
    opaque=st.sampled_from(["allow", "ask", "deny"]),
    ungated=st.sampled_from(["alert", "close"]),
)


class Story:
    """One run over the same events; the target's stream cut into pieces of `cut` bytes."""

    def __init__(self, rules: GateRules, cut: int) -> None:
        self.gate = ShellGate((20, 5), rules=rules)
        self.cut = cut
        self.now = 0
        self.turns: list[Turn] = []
        self.asked = 0

    def run(self, events: Sequence[Event]) -> None:
        """All events, and time that passes after them."""
        for kind, value in [*events, ("wait", 5_000)]:
            if isinstance(value, bytes):
                self._bytes(kind, value)
            elif kind == "wait":
                self._wait(value)
            elif kind == "resize":
                self._add(self.gate.resized(value, 5))
            else:
                self._add(self.gate.answer(self.asked, bool(value), self.now, ("said",)))
        self._add(self.gate.ended())

    def _bytes(self, kind: str, data: bytes) -> None:
        if kind == "client":
            self._add(self.gate.receive_client(data, self.now))
            return
        for at in range(0, len(data), self.cut):
            self._add(self.gate.receive_target(data[at : at + self.cut], self.now))

    def _wait(self, span: int) -> None:
        until = self.now + span
        while (deadline := self.gate.deadline_ms) is not None and deadline <= until:
            self.now = max(deadline, self.now)
            self._add(self.gate.tick(self.now))
            after = self.gate.deadline_ms
            assert after is None or after > self.now, "time would stand still"
        self.now = until

    def _add(self, turns: list[Turn]) -> None:
        self.turns += turns
        for turn in turns:
            if isinstance(turn, LineEntered):
                self.asked = turn.id

    def sent(self, kind: type[ToClient | ToTarget]) -> bytes:
        """All bytes of one direction."""
        return b"".join(turn.data for turn in self.turns if isinstance(turn, kind))


@given(_RULES, _EVENTS, st.sampled_from([1, 2, 3, 7]))
@settings(max_examples=400, deadline=None)
def test_cuts_change_nothing(rules: GateRules, events: list[Event], cut: int) -> None:
    """The same bytes at the same times give the same turns, to one byte at a time."""
    whole, pieces = Story(rules, 1_000_000), Story(rules, cut)
    whole.run(events)
    pieces.run(events)
    assert [turn for turn in whole.turns if not isinstance(turn, ToClient)] == [
        turn for turn in pieces.turns if not isinstance(turn, ToClient)
    ]
    assert whole.sent(ToClient) == pieces.sent(ToClient)


@given(_RULES, _EVENTS)
@settings(max_examples=300, deadline=None)
def test_the_targets_output_is_relayed_whole(rules: GateRules, events: list[Event]) -> None:
    """Every byte of the target reaches the client, in order, whatever marks are in it."""
    story = Story(rules, 1_000_000)
    story.run(events)
    assert story.sent(ToClient) == b"".join(
        value for kind, value in events if kind == "target" and isinstance(value, bytes)
    )


@given(_RULES, _EVENTS)
@settings(max_examples=300, deadline=None)
def test_nothing_is_typed_but_by_the_client(rules: GateRules, events: list[Event]) -> None:
    """To the target go the client's own bytes in order, and of ours only 0x03 and one C-e."""
    story = Story(rules, 1_000_000)
    story.run(events)
    typed = iter(b"".join(v for kind, v in events if kind == "client" and isinstance(v, bytes)))
    assert all(any(byte == other for other in typed) for byte in story.sent(ToTarget)
               if byte not in (3, 5))  # fmt: skip


@given(_RULES, _EVENTS)
@settings(max_examples=300, deadline=None)
def test_what_was_typed_is_in_no_turn_but_shown(rules: GateRules, events: list[Event]) -> None:
    """The target never shows this secret, so nothing but the way to the target holds it."""
    story = Story(rules, 1_000_000)
    story.run(events)
    others = [turn for turn in story.turns if not isinstance(turn, ToTarget)]
    assert SECRET.decode() not in repr(others)
    assert SECRET not in b"".join(turn.data for turn in others if isinstance(turn, Tell))
