"""The HELD row of the gate's table: a person decides, and what each side may do meanwhile."""

from __future__ import annotations

import pytest
from support.shell_wire import CANCELLED, PROMPT, TAKEN, ShellWire

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.editing import digest_of
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_gate import ShellGate
from gatekeep.protocols.ssh.shells.shell_held import ShellHeld
from gatekeep.protocols.ssh.shells.shell_state import Mode
from gatekeep.protocols.ssh.shells.turns import (
    CloseChannel,
    Finished,
    LineWithdrawn,
    Note,
    Tell,
    ToClient,
)

WAITING = ("gatekeep: waiting for approval by sre-lead (carol)", "gatekeep:   ls")


def held(line: bytes = b"ls", size: tuple[int, int] = (80, 24)) -> ShellWire:
    """A line that waits for a person."""
    wire = ShellWire(size=size)
    wire.prompt()
    wire.enter(line)
    wait(wire)
    return wire


def wait(wire: ShellWire, words: tuple[str, ...] = WAITING) -> None:
    """The last line waits for a person."""
    wire.turns += wire.gate.waiting(wire.line.id, wire.now, words)


def said(wire: ShellWire) -> list[str]:
    """What was told, in words."""
    return [word for turn in wire.all(Tell) for word in turn.words]


# --- while it waits -------------------------------------------------------------------------------


def test_while_a_person_decides_keys_are_dropped() -> None:
    """With a bell, and words once; what was said is wiped before the line runs."""
    wire = held()
    wire.client(b"abc\r")
    wire.client(b"d")
    assert wire.gate.mode is Mode.HELD
    assert wire.told.count(b"\x07") == 2
    assert said(wire) == [*WAITING, "gatekeep: held; other keys are ignored until it is decided"]
    wire.answer(allowed=True)
    wire.after(100)
    assert wire.sent == b"ls\r"
    assert b"\x1b[2K" in wire.told


def test_what_was_typed_behind_the_line_is_dropped_too() -> None:
    """No hidden type-ahead: it counted on the line's running at once."""
    wire = ShellWire()
    wire.prompt()
    wire.enter(b"ls")
    wire.client(b"rm x\r")
    assert wire.gate.backlog
    wait(wire)
    assert wire.gate.backlog == 0
    assert wire.told.startswith(b"\x07")
    wire.answer(allowed=True)
    wire.target(TAKEN + PROMPT)
    wire.after(1_000)
    assert wire.sent == b"ls\r"


def test_what_the_target_shows_meanwhile_is_shown() -> None:
    """Nothing stops relaying, and keep-alives of a held terminal are its channel's."""
    wire = held()
    wire.target(b"[1]+  Done")
    assert wire.all(ToClient)[-1] == ToClient(b"[1]+  Done")
    assert wire.gate.deadline_ms is None


def test_a_reminder_takes_the_place_of_the_last_one() -> None:
    """The lines of the question stay; fifteen minutes do not fill the screen."""
    wire = held()
    for left in ("14", "13"):
        turns = wire.gate.reminded(wire.line.id, wire.now, (f"gatekeep: {left} min left",))
        wiped, told = turns
        assert isinstance(wiped, Tell)
        assert isinstance(told, Tell)
        assert told.words == (f"gatekeep: {left} min left",)
        assert WAITING[0].encode() in told.data
    assert wiped.data.count(b"\x1b[2K") == len(WAITING) + 1


def test_others_who_are_asked_are_told_beside_the_first() -> None:
    """`waiting` again: more is said, and nothing is said twice."""
    wire = held()
    wait(wire, ("gatekeep: now also went to dba-lead",))
    assert said(wire) == [*WAITING, "gatekeep: now also went to dba-lead"]
    (_wiped, told) = wire.gate.reminded(wire.line.id, wire.now, ("gatekeep: 13 min left",))
    assert b"dba-lead" in told.data


def test_words_that_are_longer_than_a_row_go_on_in_the_next() -> None:
    """A link is shown whole, and all of its rows are wiped."""
    wire = held(size=(40, 24))
    assert b"gatekeep: waiting for approval by sre-l" in wire.told
    assert b"ead (carol)" in wire.told
    wire.answer(allowed=True)
    assert wire.told.count(b"\x1b[2K") == 3


def test_words_never_push_the_line_off_the_screen() -> None:
    """Where there is no room for all of them the first ones are shown; what is wiped is what was."""
    wire = held(size=(40, 4))
    shown = wire.told.count(b"\x1b[K")
    assert shown == 3
    wire.answer(allowed=True)
    assert wire.told.count(b"\x1b[2K") == shown


def test_nothing_is_said_of_a_line_that_does_not_wait() -> None:
    """Another number, or one that was decided."""
    wire = held()
    assert wire.gate.reminded(wire.line.id + 1, wire.now, ("gatekeep: no",)) == []
    wire.answer(allowed=True)
    assert wire.gate.waiting(wire.line.id, wire.now, ("gatekeep: no",)) == []
    assert wire.gate.reminded(wire.line.id, wire.now, ("gatekeep: no",)) == []


# --- approved -------------------------------------------------------------------------------------


def test_approved_the_accept_byte_goes_out_and_the_words_stay_above() -> None:
    """Exactly the byte that waited, once; who approved stays to be read."""
    wire = held()
    wire.answer(allowed=True)
    assert wire.sent == b"ls\r"
    assert said(wire)[-1] == "gatekeep: said"
    assert b"\x1b[1L" in wire.told
    wire.target(TAKEN)
    assert wire.gate.mode is Mode.RUN
    assert wire.all(Note) == []


def test_a_line_that_changed_while_it_was_held_is_void() -> None:
    """Whoever decided saw another one: C-c goes out, and it is told that it never ran."""
    wire = held()
    assert wire.gate.digest(wire.line.id) == wire.line.digest
    wire.target(b"\r\x1b[K$ rm x")
    assert wire.gate.digest(wire.line.id) == digest_of("rm x")
    wire.answer(allowed=True)
    assert wire.sent == b"ls\x03"
    assert wire.all(Finished) == [Finished(wire.line.id, None)]
    (note,) = wire.all(Note)
    assert note.kind is EventKind.GATE_DEGRADED
    assert note.payload == {"reason": "line_changed", "text": "rm x"}
    assert said(wire)[-2:] == [
        "gatekeep: the line changed while it was being decided", "gatekeep: nothing was run",
    ]  # fmt: skip


def test_resizing_a_held_line_compares_it_again() -> None:
    """Painted anew as the same text it may run."""
    wire = held()
    wire.turns += wire.gate.resized(30, 10)
    wire.target(b"\r\x1b[K$ ls")
    assert wire.gate.digest(wire.line.id) == wire.line.digest
    wire.answer(allowed=True)
    assert wire.sent == b"ls\r"


def test_a_held_line_that_resizing_hides_does_not_run() -> None:
    """What cannot be read again is not what was approved."""
    wire = held(b"rm -rf /tmp/some/where")
    wire.turns += wire.gate.resized(10, 10)
    assert wire.gate.digest(wire.line.id) != wire.line.digest
    wire.answer(allowed=True)
    assert wire.sent.endswith(b"\x03")
    assert b"\r" not in wire.sent


# --- denied, expired ------------------------------------------------------------------------------


def test_denied_or_expired_the_line_is_given_up_and_the_words_stay() -> None:
    """C-c and nothing else; the shell's next prompt comes below what was said."""
    wire = held()
    wire.answer(allowed=False)
    assert wire.sent == b"ls\x03"
    assert said(wire)[-1] == "gatekeep: said"
    assert wire.told.endswith(b"\r\n")
    wire.target(CANCELLED)
    wire.after(200)
    assert wire.gate.mode is Mode.EDIT
    assert not wire.all(CloseChannel)
    assert wire.enter(b"pwd").text == "pwd"


# --- withdrawn ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"\x03", b"\x04", b"abc\x03"])
def test_a_held_line_can_be_withdrawn(key: bytes) -> None:
    """C-c and C-d: the question is void, a late answer changes nothing."""
    wire = held()
    wire.client(key)
    assert wire.all(LineWithdrawn) == [LineWithdrawn(wire.line.id)]
    assert wire.gate.digest(wire.line.id) == ""
    assert said(wire)[-2:] == ["gatekeep: withdrawn", "gatekeep: nothing was run"]
    wire.answer(allowed=True)
    assert wire.sent == b"ls\x03"


def test_before_a_person_is_asked_ctrl_d_is_a_key() -> None:
    """And Ctrl-C says nothing: there was nothing to withdraw."""
    wire = ShellWire()
    wire.prompt()
    wire.enter(b"ls")
    wire.client(b"\x04")
    assert not wire.all(LineWithdrawn)
    wire.client(b"\x03")
    assert wire.all(LineWithdrawn) == [LineWithdrawn(wire.line.id)]
    assert said(wire) == []


def test_a_client_that_leaves_withdraws() -> None:
    """And a late answer sends nothing."""
    wire = held()
    wire.turns += wire.gate.ended()
    wire.answer(allowed=True)
    assert wire.all(LineWithdrawn) == [LineWithdrawn(1)]
    assert wire.sent == b"ls"
    assert wire.gate.digest(1) == ""


def test_a_line_that_the_shell_took_by_itself_is_withdrawn() -> None:
    """Some key of the person's own, or of the target's: noticed, and not approved afterwards."""
    wire = held()
    wire.target(TAKEN)
    assert wire.all(LineWithdrawn) == [LineWithdrawn(wire.line.id)]
    assert EventKind.LINE_UNGATED in [note.kind for note in wire.all(Note)]
    wire.answer(allowed=True)
    assert wire.sent == b"ls"


# --- leave for what cannot be read ----------------------------------------------------------------


def test_leave_for_a_full_screen_waits_like_a_line() -> None:
    """Keys are dropped; on yes they pass again, and the digest is that of nothing."""
    wire = ShellWire(GateRules(gated=True, opaque="ask"))
    wire.prompt()
    wire.run(b"vim")
    wire.target(b"\x1b[?1049h")
    wire.after(200)
    assert wire.line.tags == {"full_screen"}
    wait(wire, ("gatekeep: waiting",))
    assert wire.gate.digest(wire.line.id) == digest_of("")
    wire.client(b"dd")
    (told,) = wire.gate.reminded(wire.line.id, wire.now, ("gatekeep: 13 min left",))
    assert isinstance(told, Tell)
    assert told.words == ("gatekeep: 13 min left",)
    wire.answer(allowed=True)
    wire.client(b"x")
    wire.after(100)
    assert wire.sent == b"vim\rx"


def test_leave_that_is_withdrawn_bars_the_program() -> None:
    """C-c goes to the program, and no other key does."""
    wire = ShellWire(GateRules(gated=True, opaque="ask"))
    wire.prompt()
    wire.run(b"vim")
    wire.target(b"\x1b[?1049h")
    wire.after(200)
    wait(wire, ("gatekeep: waiting",))
    wire.client(b"\x03")
    wire.client(b"x")
    wire.after(100)
    assert said(wire)[-2:] == ["gatekeep: withdrawn", "gatekeep: nothing was run"]
    assert wire.sent == b"vim\r\x03"


def test_where_no_line_is_held_nothing_waits() -> None:
    """An observed shell has no such row, and its lines have no digest."""
    gate = ShellGate((80, 24), rules=GateRules(gated=False))
    assert gate.waiting(1, 0, WAITING) == gate.reminded(1, 0, WAITING) == []
    assert gate.digest(1) == ""
    assert ShellHeld.__doc__
