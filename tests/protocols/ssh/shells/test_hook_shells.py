"""The hook in real shells on real terminals: what is reported, what runs, and what never does."""

from __future__ import annotations

import os
import time

from support.hooked_shell import Open, everything

from gatekeep.domain.commands import Assurance
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.hook_states import State
from gatekeep.protocols.ssh.shells.turns import LineEntered, LineWithdrawn


def test_a_line_is_reported_and_runs_only_when_it_is_allowed(opened: Open, shell: HookedShell) -> None:
    """The allowed one ran with its status, the denied one never, and can be edited on."""
    person = opened(shell)
    person.run("touch made; (exit 7)")
    person.run("touch denied")
    person.type("\x15")
    person.run("true")
    assert person.texts == ["touch made; (exit 7)", "touch denied", "true"]
    assert person.made("made")
    assert not person.made("denied")
    assert person.status_of("touch made; (exit 7)") == 7
    assert person.status_of("true") == 0
    assert {line.assurance for line in person.lines} == {Assurance.ATTESTED}
    assert all(line.resolved for line in person.lines)
    assert b"not this one" in person.told
    assert not person.notes


def test_nothing_of_the_hook_is_shown(opened: Open, shell: HookedShell) -> None:
    """Frames and tokens are taken out; what programs print passes unchanged."""
    person = opened(shell)
    person.run("printf 'a\\033]0;title\\007b\\n'")
    assert b"a\x1b]0;title\x07b" in person.shown
    assert b"7717" not in person.shown
    assert person.gate._tokens.current not in person.shown


def test_a_line_that_waits_is_not_run_and_keys_are_kept_behind_it(
    opened: Open, shell: HookedShell
) -> None:
    """Nothing typed meanwhile reaches the target before the answer; all of it does behind it."""
    person = opened(shell)
    person.type("touch pending1\r")
    person.until(lambda: person.lines)
    before = len(person.sent)
    person.type("touch after\r")
    for _ in range(10):
        person.pump(0.01)
    assert len(person.sent) == before
    assert not person.made("pending1")
    person.answer(person.lines[0], allowed=True)
    person.until(lambda: person.made("after"))
    person.prompt()
    assert person.made("pending1")
    assert person.texts == ["touch pending1", "touch after"]


def test_ctrl_c_takes_back_a_line_that_waits(opened: Open, shell: HookedShell) -> None:
    """It is withdrawn, a later answer changes nothing, and the shell goes on with an empty line."""
    person = opened(shell)
    person.type("touch pending1\r")
    person.until(lambda: person.lines)
    person.type("\x03")
    assert LineWithdrawn(1) in person.turns
    person.answer(person.lines[0], allowed=True)
    person.until(lambda: person.gate.state is State.EDIT)
    person.run("touch after")
    assert person.texts == ["touch pending1", "touch after"]
    assert not person.made("pending1")
    assert person.made("after")


def test_type_ahead_is_reported_line_by_line(opened: Open, shell: HookedShell) -> None:
    """Lines typed while a program runs are each reported; behind a denied one the rest is dropped."""
    person = opened(shell)
    os.mkfifo(person.home / "fifo")
    person.type("read -r x < fifo; touch ready\r")
    person.until(lambda: person.gate.state is State.RUN)
    person.type("touch one\rtouch two\rtouch denied\rtouch three\r")
    (person.home / "fifo").write_text("go\n")
    person.until(lambda: len(person.lines) == 4 and b"\x07" in person.told)
    person.prompt()
    person.type("\x15")
    person.run("touch four")
    assert person.texts[1:] == ["touch one", "touch two", "touch denied", "touch four"]
    assert not person.made("denied")
    assert not person.made("three")
    assert person.made("two")
    assert person.made("four")


def test_many_lines_in_one_chunk(opened: Open, shell: HookedShell) -> None:
    """What the shell had not read when the reply came is given back to it in order."""
    person = opened(shell)
    person.type("".join(f"echo {n} >> all\r" for n in range(30)))
    person.until(lambda: len(person.lines) == 30)
    person.prompt()
    assert (person.home / "all").read_text().split() == [str(n) for n in range(30)]


def test_a_long_paste_without_brackets(opened: Open, shell: HookedShell) -> None:
    """150 lines, and what a program among them reads: all in order, one line at a time."""
    person = opened(shell)
    lines = [f"echo {n} {'x' * 40} >> all" for n in range(150)]
    text = "\r".join([*lines, "cat > read", "some", "text", "\x04" + "echo end >> all", ""])
    person.type(text)
    person.until(lambda: person.texts[-1:] == ["echo end >> all"])
    person.prompt()
    assert person.texts == [*lines, "cat > read", "echo end >> all"]
    assert (person.home / "read").read_text() == "some\ntext\n"
    assert len((person.home / "all").read_text().splitlines()) == 151
    assert len(person.sent) < 8 * len(text) + 200 * len(lines)


def test_a_pasted_text_of_several_lines_is_judged_whole(opened: Open, shell: HookedShell) -> None:
    """Bracketed paste gives one line of several; denied, none of it runs; allowed, all of it."""
    person = opened(shell)
    person.type("\x1b[200~touch one\ntouch denied\ntouch two\x1b[201~\r")
    person.until(lambda: len(person.lines) == 1)
    person.until(lambda: person.gate.state is State.EDIT)
    person.interrupt()
    person.run("touch three")
    assert person.texts[0].split("\n") == ["touch one", "touch denied", "touch two"]
    assert not person.made("one")
    assert not person.made("two")
    person.type("\x1b[200~touch four\n(exit 5)\x1b[201~\r")
    person.until(lambda: person.made("four"))
    person.prompt()
    person.until(lambda: person.status_of("touch four\n(exit 5)") == 5)
    person.run("true")
    assert len(person.lines) == 4
    assert not person.notes


def test_lines_of_an_unfinished_command_are_judged_as_they_grow(
    opened: Open, shell: HookedShell
) -> None:
    """Each line is asked for with all before it; a denied one does not end the command."""
    person = opened(shell)
    person.type("for i in 1 2\r")
    person.until(lambda: len(person.lines) == 1 and person.gate.state is State.CONT)
    person.type("do touch denied\r")
    person.until(lambda: len(person.lines) == 2 and person.gate.state is State.CONT)
    person.type("\x15do touch ok$i\r")
    person.until(lambda: len(person.lines) == 3 and person.gate.state is State.CONT)
    person.run("done")
    assert person.texts == [
        "for i in 1 2",
        "for i in 1 2\ndo touch denied",
        "for i in 1 2\ndo touch ok$i",
        "for i in 1 2\ndo touch ok$i\ndone",
    ]
    assert person.made("ok2")
    assert not person.made("denied")
    assert person.finished == {1: 0, 3: 0, 4: 0}


def test_a_here_document_is_reported(opened: Open, shell: HookedShell) -> None:
    """Its body, too."""
    person = opened(shell)
    person.type("cat > out <<E\rbody 1\rE\r")
    person.until(lambda: person.made("out"))
    person.prompt()
    assert person.texts[-1] == "cat > out <<E\nbody 1\nE"
    assert (person.home / "out").read_text() == "body 1\n"


def test_edits_history_and_search_are_reported_as_the_line_that_results(
    opened: Open, shell: HookedShell
) -> None:
    """What counts is the line that the editor holds, not the keys."""
    person = opened(shell)
    person.run("touch first")
    person.run("tXouch secondY\x7f\x01\x1b[C\x1b[3~")
    person.run("\x1b[A\x05x")
    person.type("\x12first")
    person.pump()
    person.run("")
    assert person.texts == ["touch first", "touch second", "touch secondx", "touch first"]


def test_vi_mode(opened: Open, shell: HookedShell) -> None:
    """Enter in command mode is reported like any other."""
    person = opened(shell, rc="set -o vi\n" if shell == "bash" else "bindkey -v\n")
    person.run("touch one")
    person.type("touch deniedX")
    person.pump(0.2)
    person.type("\x1b")
    for _ in range(12):
        person.pump(0.05)
    person.type("x\r")
    person.until(lambda: len(person.lines) == 2)
    assert person.texts[-1] == "touch denied"
    person.until(lambda: person.gate.state is State.EDIT)
    person.interrupt()
    person.run("touch two")
    assert not person.made("denied")
    assert person.made("two")


def test_what_is_called_by_another_name_is_reported_as_entered(
    opened: Open, shell: HookedShell
) -> None:
    """Aliases, eval, source, functions, substitutions: the line is what was entered, once."""
    person = opened(shell)
    (person.home / "script").write_text("touch sourced; (touch nested)\n")
    for line in (
        "alias made='touch aliased'", "made", "eval 'touch evaluated'", ". ./script",
        "f() { touch called; }", "f", "echo $(touch substituted) | cat", "touch background & wait",
    ):  # fmt: skip
        person.run(line)
    for name in ("aliased", "evaluated", "sourced", "nested", "called", "substituted", "background"):
        assert person.made(name), name
    assert len(person.lines) == 8
    assert not person.notes
    assert set(person.finished) == set(range(1, 9))


def test_control_c_at_the_prompt(opened: Open, shell: HookedShell) -> None:
    """Drops the line; in an unfinished command, all of it, and nothing ran."""
    person = opened(shell)
    person.type("touch dropped")
    person.until(lambda: b"dropped" in person.shown)
    person.interrupt()
    person.type("for i in 1\r")
    person.until(lambda: person.gate.state is State.CONT)
    person.type("do touch dropped")
    person.interrupt()
    person.until(lambda: 1 in person.finished)
    person.run("touch one")
    assert person.texts[-1] == "touch one"
    assert not person.made("dropped")
    assert person.finished[1] is None
    assert not person.notes


def test_a_control_c_that_meets_the_question_keeps_both_in_step(
    opened: Open, shell: HookedShell
) -> None:
    """Sent behind Enter before the gateway knew of the question, it takes the line back."""
    person = opened(shell)
    for n in range(5):
        person.type(f"touch taken{n}\r")
        end = time.monotonic() + 20
        while b"7717" not in (data := os.read(person.fd, 65536)):
            assert time.monotonic() < end
        os.write(person.fd, b"\x03")
        person.carry_out(person.gate.receive_target(data, person.now()))
        person.until(lambda n=n: len(person.lines) > n)
        person.prompt()
        person.type("\x15")
        assert person.finished.get(n + 1, 0) is None
        assert not person.made(f"taken{n}")
    person.run("touch after")
    assert person.made("after")
    assert not person.made("denied")


def test_everything_is_a_judge() -> None:
    """The helper's default allows."""
    assert everything(LineEntered(1, "", True, Assurance.ATTESTED, "")) is True  # noqa: FBT003 - a field
