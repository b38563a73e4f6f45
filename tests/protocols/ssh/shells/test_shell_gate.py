"""The gate while a line is edited or held, with a target that paints what bash would."""

from __future__ import annotations

import pytest
from support.shell_wire import CANCELLED, PROMPT, TAKEN, ShellWire

from gatekeep.domain.commands import Assurance
from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.editing import digest_of
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_state import Mode
from gatekeep.protocols.ssh.shells.turns import CloseChannel, LineEntered, Note


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


# --- EDIT -----------------------------------------------------------------------------------------


def test_keys_pass_and_the_accept_byte_waits() -> None:
    """All but Enter goes out at once; the line is asked for with its digest."""
    wire = at_prompt()
    line = wire.enter(b"ls -la")
    assert wire.sent == b"ls -la"
    assert (line.text, line.resolved, line.assurance) == ("ls -la", True, Assurance.INFERRED)
    assert line.digest == digest_of("ls -la")
    assert wire.gate.mode is Mode.HELD


@pytest.mark.parametrize("accept", [b"\r", b"\n", b"\x0f"])
def test_allowed_sends_exactly_the_accept_byte(accept: bytes) -> None:
    """CR, LF or C-o, as it was typed, once."""
    wire = at_prompt()
    wire.type(b"ls")
    wire.client(accept)
    wire.after(100)
    wire.answer(allowed=True)
    assert wire.sent == b"ls" + accept
    wire.target(TAKEN)
    assert wire.gate.mode is Mode.RUN


def test_denied_sends_only_an_interrupt() -> None:
    """0x03, never the accept byte; a new prompt ends it, and what was queued behind is gone."""
    wire = at_prompt()
    wire.type(b"rm x")
    wire.client(b"\rls\r")
    wire.after(100)
    wire.answer(allowed=False)
    assert wire.sent == b"rm x\x03"
    wire.target(CANCELLED)
    wire.after(2_000)
    assert wire.sent == b"rm x\x03"
    assert wire.all(CloseChannel) == []
    assert b"gatekeep: said" in wire.told
    wire.enter(b"ls")
    assert wire.line.text == "ls"


def test_a_denied_line_that_does_not_go_away_closes_the_channel() -> None:
    """No new prompt within a second."""
    wire = at_prompt()
    wire.enter(b"rm x")
    wire.answer(allowed=False)
    wire.after(999)
    assert wire.all(CloseChannel) == []
    wire.after(2)
    assert wire.all(CloseChannel) == [CloseChannel("not_cancelled")]
    wire.client(b"\r")
    assert wire.sent == b"rm x\x03"


def test_a_forged_prompt_that_still_holds_the_denied_line_closes_the_channel() -> None:
    """The line is found again in what should be a bare prompt."""
    wire = at_prompt()
    wire.enter(b"rm -rf x")
    wire.answer(allowed=False)
    wire.target(b"\x1b[?2004l\r\x1b[?2004h$ rm -rf x")
    wire.after(700)
    wire.client(b"\r")
    wire.after(200)
    assert wire.all(CloseChannel) == [CloseChannel("not_cancelled")]
    assert wire.sent == b"rm -rf x\x03"


def test_an_empty_line_asks_nobody() -> None:
    """Enter alone."""
    wire = at_prompt()
    wire.client(b"\r")
    assert (wire.sent, wire.all(LineEntered)) == (b"\r", [])


def test_what_is_typed_on_stays_behind_the_decision() -> None:
    """The second line of one chunk is judged at the second prompt."""
    wire = at_prompt()
    wire.client(b"ls\rrm x\r")
    wire.target(b"ls")
    wire.after(100)
    wire.answer(allowed=True)
    wire.target(TAKEN + b"out\r\n" + PROMPT)
    assert wire.sent == b"ls\r"
    wire.after(100)
    wire.target(b"rm x")
    wire.after(100)
    assert wire.sent == b"ls\rrm x"
    assert wire.line.text == "rm x"


def test_keys_before_the_prompt_is_painted_wait_for_it() -> None:
    """Else the prompt could not be told from the line."""
    wire = ShellWire()
    wire.target(b"\x1b[?2004h")
    wire.client(b"ls")
    wire.after(20)
    wire.target(b"some$ ")
    wire.after(59)
    assert wire.sent == b""
    wire.after(2)
    assert wire.sent == b"ls"


def test_the_line_must_settle_before_it_is_read() -> None:
    """Enter right behind the keys waits for their echo and for quiet, two seconds at most."""
    wire = at_prompt()
    wire.client(b"echo hi\r")
    wire.after(40)
    wire.target(b"echo")
    wire.after(40)
    wire.target(b" hi")
    wire.after(50)
    assert wire.all(LineEntered) == []
    wire.after(100)
    assert wire.line.text == "echo hi"


def test_a_slow_target_is_waited_for() -> None:
    """Quiet is longer than round trips differ."""
    wire = at_prompt()
    for trip in (120, 80, 160, 120):
        wire.client(b"a")
        wire.after(trip)
        wire.target(b"a")
    wire.client(b"\r")
    wire.after(150)
    assert wire.all(LineEntered) == []
    wire.after(400)
    assert wire.line.text == "aaaa"


def test_a_line_that_changed_while_it_was_decided_is_refused() -> None:
    """The digest is compared right before the accept byte would go."""
    wire = at_prompt()
    wire.enter(b"ls")
    wire.target(b"; rm x")
    wire.answer(allowed=True)
    assert wire.sent == b"ls\x03"
    assert b"changed" in wire.told


def test_an_accept_that_the_shell_does_not_take_leaves_it_editing() -> None:
    """A menu of completions, for one: the next Enter is judged again."""
    wire = at_prompt()
    wire.enter(b"ls")
    wire.answer(allowed=True)
    wire.after(3_000)
    assert wire.gate.mode is Mode.EDIT
    wire.type(b" x")
    wire.client(b"\r")
    wire.after(300)
    assert (wire.line.id, wire.line.text) == (2, "ls x")


@pytest.mark.parametrize(
    ("prompt", "resolved"), [(b"$ ", True), (b"root# ", True), (b"any>", True), (b"? rm", False)]
)
def test_a_prompt_that_ends_oddly_is_not_trusted(prompt: bytes, resolved: bool) -> None:
    """It could hold half a line already."""
    wire = ShellWire()
    wire.target(b"\x1b[?2004h" + prompt)
    wire.after(700)
    assert wire.enter(b"ls").resolved is resolved


def test_the_shells_own_mark_ends_a_prompt() -> None:
    """OSC 133;B: any prompt will do."""
    wire = ShellWire()
    wire.target(b"\x1b]133;A\x07what now: \x1b]133;B\x07")
    wire.after(100)
    line = wire.enter(b"ls")
    assert (line.text, line.resolved) == ("ls", True)


def test_a_search_that_cannot_be_told_is_ended_by_one_key() -> None:
    """One C-e, then the line is read again; a clear one needs none."""
    wire = at_prompt()
    wire.client(b"\x12x")
    wire.target(b"\r(reverse-i-search)`': ': x")
    wire.after(100)
    wire.client(b"\r")
    wire.after(10)
    assert wire.sent == b"\x12x\x05"
    wire.target(b"\r\x1b[K$ echo x")
    wire.after(300)
    assert wire.line.text == "echo x"
    assert wire.sent.count(b"\x05") == 1


def test_resizing_makes_a_line_unsure() -> None:
    """Until the next prompt."""
    wire = at_prompt()
    wire.type(b"ls")
    wire.turns += wire.gate.resized(5_000, 900)
    wire.client(b"\r")
    wire.after(100)
    assert (wire.line.resolved, wire.line.tags) == (False, {"resized"})


def test_a_line_that_nobody_let_go_is_an_event() -> None:
    """A key bound to accept-line: told, and from then on accept bytes are judged as opaque."""
    wire = at_prompt()
    wire.type(b"touch x")
    wire.client(b"q")
    wire.target(TAKEN)
    notes = [note for note in wire.all(Note) if note.kind is EventKind.LINE_UNGATED]
    assert [note.payload["text"] for note in notes] == ["touch x"]
    wire.after(200)
    wire.client(b"y\r")
    wire.target(b"y")
    wire.after(300)
    assert wire.sent == b"touch xqy"
    assert (wire.line.assurance, wire.line.resolved) == (Assurance.OPAQUE, False)
    wire.answer(allowed=True)
    assert wire.sent == b"touch xqy\r"


def test_an_ungated_line_can_close_the_channel() -> None:
    """By rule."""
    wire = at_prompt(GateRules(gated=True, ungated="close"))
    wire.type(b"touch xq")
    wire.target(TAKEN)
    assert wire.all(CloseChannel) == [CloseChannel("ungated")]


def test_giving_up_a_line_is_no_event() -> None:
    """C-c of the client's own."""
    wire = at_prompt()
    wire.type(b"ls")
    wire.client(b"\x03")
    wire.target(CANCELLED)
    wire.after(200)
    assert kinds(wire) == []
    assert wire.enter(b"pwd").text == "pwd"


def test_pasted_line_ends_are_no_accepts() -> None:
    """Inside a bracketed paste, while the shell asked for it."""
    wire = at_prompt()
    wire.client(b"\x1b[200~a\rb\x1b[201~")
    wire.target(b"a\r\n\rb")
    wire.after(100)
    assert wire.sent == b"\x1b[200~a\rb\x1b[201~"
    wire.client(b"\r")
    wire.after(100)
    assert (wire.line.text, wire.line.resolved) == ("a\nb", True)


@pytest.mark.parametrize("before", [b"\x16", b"\x11", b"\x1b", b"\x18"])
def test_a_paste_that_the_editor_may_not_see_as_one_is_keys(before: bytes) -> None:
    """After C-v, C-q, ESC or C-x its line ends are judged."""
    wire = at_prompt()
    wire.client(before + b"\x1b[200~rm x\r\x1b[201~")
    assert wire.sent == before + b"\x1b[200~rm x"


def test_an_answer_of_the_terminal_with_an_accept_byte_is_judged() -> None:
    """A target that asks for the title must not get a line entered."""
    wire = at_prompt()
    wire.client(b"\x1b]lrm x\r\x1b\\")
    assert wire.sent == b"\x1b]lrm x"
    wire.after(3_000)
    assert wire.line.tags == {"sequence"}


def test_a_full_screen_at_the_prompt_does_not_open_the_gate() -> None:
    """A mark in the wrong place is an event."""
    wire = at_prompt()
    wire.target(b"\x1b[?1049h")
    assert kinds(wire) == [EventKind.GATE_DEGRADED]
    wire.after(100)
    wire.type(b"rm x")
    wire.client(b"\r")
    wire.after(100)
    assert wire.sent == b"rm x"
    assert wire.gate.mode is Mode.HELD


# --- CONT -----------------------------------------------------------------------------------------


def test_an_incomplete_text_is_judged_as_a_whole_at_each_line() -> None:
    """Its prompt is not part of it."""
    wire = running(line=b"cat <<E")
    wire.target(b"\x1b[?2004h> ")
    wire.after(100)
    assert wire.gate.mode is Mode.CONT
    assert wire.enter(b"rm x").text == "cat <<E\nrm x"
    wire.answer(allowed=True)
    wire.target(TAKEN + b"\x1b[?2004h> ")
    wire.after(100)
    assert wire.enter(b"E").text == "cat <<E\nrm x\nE"


def test_the_first_prompt_again_ends_an_incomplete_text() -> None:
    """It was given up, or the shell took it for complete."""
    wire = running(line=b"echo 'a")
    wire.target(PROMPT)
    wire.after(100)
    assert wire.enter(b"ls").text == "ls"


def test_more_asked_for_than_expected_is_unsure() -> None:
    """The shell asks for more of what seemed complete."""
    wire = running(line=b"odd")
    wire.target(b"\x1b[?2004h> ")
    wire.after(100)
    assert wire.enter(b"ls").tags == {"continuation"}
