"""Reported lines that wait for a person: which keys give one up, and what real shells make of it."""

from __future__ import annotations

import pytest
from support.hooked_shell import Open, Terminal

from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.hook_held import Waiting
from gatekeep.protocols.ssh.shells.turns import LineEntered, LineWithdrawn

WORDS = ("gatekeep: waiting for approval by sre-lead (carol), request M7QA, 15 min",)


def later(line: LineEntered) -> bool | None:
    """A person decides on `touch`; the rest is free."""
    return None if "touch" in line.text else True


def held(person: Terminal) -> LineEntered:
    """`touch made`, reported, waits for a person."""
    person.type("touch made\r")
    person.until(lambda: person.lines, "the question")
    line = person.lines[-1]
    person.carry_out(person.gate.hold(line.id, WORDS))
    return line


def test_ctrl_d_gives_a_line_up_only_before_a_person() -> None:
    """While a policy decides it is a key of the shell's; words are said once, and only to a person."""
    waiting = Waiting()
    assert waiting.gives_up(b"ab\x04") == 0
    assert waiting.gives_up(b"ab\x03c\x03d") == 5
    assert waiting.withdrawn() == ()
    waiting.person = True
    assert waiting.gives_up(b"a\x04b") == 2
    assert waiting.withdrawn()[0] == "gatekeep: withdrawn"
    assert waiting.ignored()
    assert waiting.ignored() == ()


def test_approved_the_line_runs_and_keys_pressed_meanwhile_do_not(
    opened: Open, shell: HookedShell
) -> None:
    """Said is who decides, that keys are ignored, and who approved, each on a line of its own."""
    person = opened(shell, judge=later)
    line = held(person)
    person.type("touch other\r")
    assert person.gate.digest(line.id) == line.digest
    approved = ("gatekeep: carol approved M7QA, running it now",)
    now = Terminal.now()
    person.carry_out(person.gate.answer(line.id, allowed=True, now_ms=now, words=approved))
    person.until(lambda: person.made("made"), "it runs")
    person.prompt()
    person.run("echo next")
    assert not person.made("other")
    assert person.texts == ["touch made", "echo next"]
    assert WORDS[0].encode() in person.told
    assert b"other keys are ignored" in person.told
    assert approved[0].encode() in person.told
    assert not person.notes


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_withdrawn_it_does_not_run_and_the_shell_goes_on(
    opened: Open, shell: HookedShell, key: str
) -> None:
    """Both keys that leave; the shell is not ended by either."""
    person = opened(shell, judge=later)
    line = held(person)
    person.type(key)
    person.prompt()
    assert LineWithdrawn(line.id) in person.turns
    person.answer(line, allowed=True)
    person.run("echo next")
    assert not person.made("made")
    assert person.texts == ["touch made", "echo next"]
    assert not person.notes
