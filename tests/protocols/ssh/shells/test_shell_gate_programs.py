"""The gate while a program runs, takes the whole screen, or does not show what is typed.

The other rows of its table of states; `test_shell_gate` has those of lines being edited.
"""

from __future__ import annotations

import pytest
from support.shell_wire import PROMPT, TAKEN, ShellWire

from gatekeep.domain.commands import Assurance
from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_state import Mode
from gatekeep.protocols.ssh.shells.turns import CloseChannel, LineEntered, Note, ToClient


def kinds(wire: ShellWire) -> list[EventKind]:
    """The notes so far."""
    return [note.kind for note in wire.all(Note)]


def at_prompt(rules: GateRules | None = None) -> ShellWire:
    """A shell that shows its first prompt."""
    wire = ShellWire(rules)
    wire.prompt()
    return wire


def running(rules: GateRules | None = None, line: bytes = b"cat") -> ShellWire:
    """A shell that runs a line."""
    wire = at_prompt(rules)
    wire.run(line)
    return wire


# --- RUN ------------------------------------------------------------------------------------------


def test_a_program_gets_its_input_line_by_line() -> None:
    """What stands behind the first line end waits for a prompt to come."""
    wire = running(line=b"read x")
    wire.client(b"one\rtwo\r")
    assert wire.sent.endswith(b"one\r")
    wire.target(b"one\r\n" + PROMPT)
    wire.after(70)
    wire.target(b"two")
    wire.after(100)
    assert wire.sent.endswith(b"one\rtwo")
    assert wire.line.text == "two"


def test_much_input_is_not_slowed_down_for_long() -> None:
    """Ten thousand lines within three seconds."""
    wire = running()
    wire.client(b"x\r" * 10_000)
    wire.after(3_500)
    assert wire.sent.count(b"x\r") == 10_000


def test_input_of_programs_is_opaque() -> None:
    """One pair of events, with bytes counted."""
    wire = running()
    wire.type(b"yes")
    wire.client(b"\r")
    wire.target(b"\r\n" + PROMPT)
    ended = [note.payload for note in wire.all(Note) if note.kind is EventKind.OPAQUE_ENDED]
    assert ended == [{"reason": "input", "bytes_in": 4}]


def test_type_ahead_that_runs_is_an_event() -> None:
    """Typed while a program ran, taken at the prompt without a release."""
    wire = running(line=b"sleep 9")
    wire.type(b"rm x")
    wire.client(b"\r")
    wire.target(b"\r\n" + PROMPT + b"rm x" + TAKEN)
    assert EventKind.LINE_UNGATED in kinds(wire)


def test_type_ahead_without_its_enter_is_part_of_the_line() -> None:
    """It is not taken for the prompt."""
    wire = running(line=b"sleep 9")
    wire.client(b"rm x")
    wire.after(10)
    wire.target(b"rm x\r\n" + PROMPT + b"rm x")
    wire.after(100)
    wire.client(b"\r")
    wire.after(400)
    assert wire.line.text == "rm x"


def test_type_ahead_behind_another_prompt_is_unsure() -> None:
    """Where the prompt ends cannot be told."""
    wire = running(line=b"cd /")
    wire.client(b"rm x")
    wire.after(10)
    wire.target(b"rm x\r\n\x1b[?2004h/$ rm x")
    wire.after(100)
    wire.client(b"\r")
    wire.after(400)
    assert (wire.line.text, wire.line.resolved) == ("/$ rm x", False)


def test_marks_switched_off_do_not_open_the_gate() -> None:
    """The known prompt before the cursor is enough."""
    wire = running(line=b"bind off")
    wire.target(b"$ ")
    wire.after(100)
    assert wire.enter(b"rm x").text == "rm x"
    wire.answer(allowed=False)
    wire.target(b"^C\r\n$ ")
    wire.after(2_000)
    assert wire.all(CloseChannel) == []
    assert wire.enter(b"ls").text == "ls"


# --- ALT ------------------------------------------------------------------------------------------


def test_a_full_screen_program_is_opaque() -> None:
    """One pair of events with its name; vim's own request for pastes is no prompt."""
    wire = running(line=b"vim notes")
    wire.target(b"\x1b[?1049h\x1b[?2004h\x1b[1;1H~")
    wire.after(100)
    assert wire.gate.mode is Mode.ALT
    wire.client(b"ihello\r:q\r")
    assert wire.sent.endswith(b"ihello\r:q\r")
    wire.target(b"\x1b[?2004l\x1b[?1049l" + PROMPT)
    assert [note.payload.get("program") for note in wire.all(Note)] == ["vim", None]
    assert kinds(wire) == [EventKind.OPAQUE_BEGAN, EventKind.OPAQUE_ENDED]
    assert wire.gate.mode is Mode.EDIT


def test_a_forged_full_screen_does_not_open_the_gate() -> None:
    """The mark printed and never taken back: the shell's prompt is still found."""
    wire = running(line=b"printf x")
    wire.target(b"\x1b[?1049h" + PROMPT)
    wire.after(100)
    line = wire.enter(b"rm x")
    assert (line.text, line.assurance) == ("rm x", Assurance.OPAQUE)
    wire.answer(allowed=False)
    assert wire.sent.endswith(b"rm x\x03")


def test_full_screens_can_be_denied() -> None:
    """Keys are dropped, C-c passes, and a program that stays closes the channel."""
    wire = running(GateRules(gated=True, opaque="deny"))
    wire.target(b"\x1b[?1049h")
    wire.after(10)
    wire.client(b"abc")
    assert wire.sent == b"cat\r"
    wire.client(b"\x03")
    assert wire.sent == b"cat\r\x03"
    wire.after(1_100)
    assert wire.all(CloseChannel) == [CloseChannel("full_screen")]


@pytest.mark.parametrize("allowed", [True, False])
def test_full_screens_can_be_asked_for(allowed: bool) -> None:
    """Keys wait for the answer."""
    wire = running(GateRules(gated=True, opaque="ask"))
    wire.target(b"\x1b[?1049h")
    wire.client(b"abc")
    wire.after(10)
    assert wire.line.tags == {"full_screen"}
    assert wire.sent == b"cat\r"
    wire.answer(allowed=allowed)
    assert wire.sent == (b"cat\rabc" if allowed else b"cat\r")


# --- UNKNOWN --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", ["allow", "ask", "deny"])
def test_a_shell_without_marks_is_not_let_through_unasked(unknown: str) -> None:
    """Keys wait, three quiet seconds, then the rule."""
    wire = ShellWire(GateRules(gated=True, unknown=unknown))  # type: ignore[arg-type] # - one of three
    wire.target(b"$ ")
    wire.client(b"ls\r")
    wire.after(2_900)
    assert wire.sent == b""
    wire.after(200)
    if unknown == "ask":
        assert wire.line.tags == {"no_marks"}
        wire.answer(allowed=True)
    assert wire.sent == (b"" if unknown == "deny" else b"ls\r")
    assert bool(wire.all(CloseChannel)) is (unknown == "deny")


def test_a_prompt_ends_the_unknown() -> None:
    """From the first mark on, lines are judged."""
    wire = ShellWire(GateRules(gated=True, unknown="allow"))
    wire.client(b"x")
    wire.after(3_100)
    wire.prompt()
    wire.client(b"\r")
    wire.after(300)
    assert wire.sent == b"x"


# --- forged marks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged", [b"\x1b[?2004l\r\n\x1b[?2004h$ ", b"\x1b[?2004l\r\n$ ", b"\x1b[?2004l\x1b[?1049h\r\n$ "]
)
def test_a_line_that_marks_made_vanish_does_not_run_by_an_empty_one(forged: bytes) -> None:
    """A job prints a prompt over a line that the editor still holds: Enter is asked for, unsure."""
    wire = at_prompt()
    wire.type(b"rm x")
    wire.target(forged)
    wire.after(200)
    wire.client(b"\r")
    wire.after(2_500)
    assert wire.sent == b"rm x"
    assert not wire.line.resolved
    assert EventKind.LINE_UNGATED in kinds(wire)


def test_a_line_typed_between_forged_marks_does_not_run_by_an_empty_one() -> None:
    """Typed while the gate was made to believe that a program reads."""
    wire = at_prompt()
    wire.target(b"\x1b[?2004l")
    wire.after(200)
    wire.type(b"rm x")
    wire.target(b"\r\n" + PROMPT)
    wire.after(200)
    wire.client(b"\r")
    wire.after(2_500)
    assert wire.sent == b"rm x"
    assert "after_ungated" in wire.line.tags


def test_a_row_of_the_denied_line_is_not_taken_for_a_new_prompt() -> None:
    """Where C-c does nothing, and the second row of the line looks like the prompt."""
    wire = at_prompt()
    wire.enter(b"rm x; " + b"y" * 32 + b"$ ")
    wire.answer(allowed=False)
    wire.after(1_100)
    assert wire.all(CloseChannel) == [CloseChannel("not_cancelled")]


# --- hidden input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["allow", "alert", "ask", "deny"])
def test_an_unshown_line_at_the_prompt(rule: str) -> None:
    """`stty -echo`: counted, never shown, unresolved, and refused where the rule says so."""
    wire = at_prompt(GateRules(gated=True, hidden_input=rule))  # type: ignore[arg-type] # - one of four
    wire.client(b"rm -rf x\r")
    wire.after(2_100)
    assert "rm" not in repr([turn for turn in wire.turns if isinstance(turn, (Note, LineEntered))])
    if rule != "allow":
        assert wire.all(Note)[0].payload == {"bytes": 8, "state": "edit"}
    if rule == "deny":
        assert wire.sent == b"rm -rf x\x03"
    else:
        assert (wire.line.text, wire.line.resolved, wire.line.hidden_bytes) == ("", False, 8)
        assert wire.line.tags == {"hidden_input"}
        assert wire.line.must_ask is (rule == "ask")


def test_a_line_shorter_than_what_was_typed_is_unsure() -> None:
    """Part of it was not shown."""
    wire = at_prompt()
    wire.client(b"ls; rm x")
    wire.target(b"ls      ")
    wire.after(100)
    wire.target(b"\b\b\b\b\b\b\x1b[K")
    wire.client(b"\r")
    wire.after(300)
    assert (wire.line.text, wire.line.hidden_bytes) == ("ls", 6)


@pytest.mark.parametrize("rule", ["alert", "ask", "deny"])
def test_unshown_input_of_a_program(rule: str) -> None:
    """`read -s`: its length is told, its bytes never; Enter waits only where the rule may refuse."""
    wire = running(GateRules(gated=True, hidden_input=rule), b"read -s x")  # type: ignore[arg-type] # - one of three
    wire.client(b"hunter2\r")
    wire.after(2_100)
    hidden = [note.payload for note in wire.all(Note) if note.kind is EventKind.LINE_HIDDEN]
    assert hidden == [{"bytes": 7, "state": "run"}]
    assert "hunter2" not in repr([turn for turn in wire.turns if isinstance(turn, (Note, LineEntered))])
    sent = {"alert": b"hunter2\r", "ask": b"hunter2", "deny": b"hunter2\x03"}
    assert wire.sent.endswith(sent[rule])
    if rule == "ask":
        wire.answer(allowed=True)
        assert wire.sent.endswith(b"hunter2\r")


def test_shown_input_of_a_program_is_not_hidden() -> None:
    """Though Enter came before its echo."""
    wire = running()
    wire.client(b"yes\r")
    wire.after(30)
    wire.target(b"yes\r\nthank you\r\n")
    wire.after(1_000)
    assert EventKind.LINE_HIDDEN not in kinds(wire)


# --- always ---------------------------------------------------------------------------------------


def test_a_transfer_is_an_event_and_relayed() -> None:
    """A zmodem header switches nothing off."""
    wire = running()
    header = b"**\x18B00000000000000\r\n"
    wire.target(header)
    assert kinds(wire) == [EventKind.GATE_DEGRADED]
    assert ToClient(header) in wire.turns
    wire.prompt()
    wire.client(b"rm\r")
    assert wire.sent.endswith(b"rm")


def test_too_much_input_closes_the_channel() -> None:
    """Memory is bounded."""
    wire = ShellWire()
    for _ in range(33):
        wire.client(b"x" * 32_768)
    assert wire.all(CloseChannel) == [CloseChannel("input")]
    assert wire.gate.backlog == 0
