"""HookGate and whatever peers say in any order: only an answer releases."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.spoken_hook import REPLY, Shell

from gatekeep.protocols.ssh.shells.hook_states import (
    State,
)
from gatekeep.protocols.ssh.shells.turns import (
    Finished,
    LineEntered,
    ToClient,
    ToTarget,
)

STEPS = st.one_of(
    st.tuples(st.just("typed"), st.one_of(st.binary(max_size=6), st.sampled_from([b"\r", b"\x03", b"ls\r"]))),
    st.tuples(st.just("shown"), st.sampled_from([b"\x1b[?2004h", b"\x1b[?2004l", b"x", b"\x1b]7717;"])),
    st.tuples(st.just("frame"), st.sampled_from([b"h", b"l", b"t", b"a", b"x", b"r", b"b", b"p", b"q"])),
    st.tuples(st.just("forged"), st.sampled_from([b"h", b"l", b"t", b"a", b"x", b"r", b"b", b"p"])),
    st.tuples(st.sampled_from(["allow", "deny", "old", "hold", "proceed", "tick"]), st.just(b"")),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_comes_only_an_answer_releases(steps: list[tuple[str, bytes]]) -> None:
    """In any order: yes is said once for each allowed line, and for hello; a fence holds."""
    shell = Shell()
    expected = 0
    said = 0
    for what, data in steps:
        gate = shell.gate
        fenced = gate.state in (State.START, State.ASKED, State.REPLIED)
        turns: list[Any] = []
        if what == "typed":
            turns = shell.typed(data)
            if fenced or gate.state is State.CLOSED:
                assert all(REPLY.fullmatch(t.data) for t in turns if isinstance(t, ToTarget))
        elif what == "shown":
            turns = shell.shown(data)
        elif what == "frame":
            greets = gate.state is State.START and data == b"h" and not shell.token
            turns = shell.frame(data, b"cmd")
            expected += greets
        elif what == "forged":
            token = b"f" * 40 if gate.state is not State.START or shell.token else b"f"
            turns = shell.shown(b"\x1b]7717;%b;%b;1;x\x1b\\" % (token, data))
            assert not any(isinstance(t, ToTarget | LineEntered) for t in turns)
        elif what in ("allow", "deny"):
            expected += what == "allow" and gate.state is State.ASKED
            turns = shell.answer(gate._line_id, allowed=what == "allow")
        elif what == "old":
            turns = shell.answer(gate._line_id - 1, allowed=True)
            assert turns == []
        elif what == "hold":
            turns = gate.hold(gate._line_id)
        elif what == "proceed":
            turns = gate.proceed(shell.now)
        else:
            shell.now += 9_000
            turns = gate.tick(shell.now)
        said += sum(b";y;" in t.data for t in turns if isinstance(t, ToTarget) and REPLY.search(t.data))
        assert said == expected
        assert b"\x1b]7717;" not in b"".join(t.data for t in turns if isinstance(t, ToClient))
    ids = [t.line_id for t in shell.turns if isinstance(t, Finished)]
    assert len(ids) == len(set(ids))
