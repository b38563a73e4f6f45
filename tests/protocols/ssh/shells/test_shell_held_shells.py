"""Lines of real shells that wait for a person: what runs, and what the person sees of it."""

from __future__ import annotations

from pathlib import Path

import pyte
import pytest
from support.real_shell import RealShell

from gatekeep.protocols.ssh.shells.turns import LineEntered, Tell, ToClient

WAITING = (
    "gatekeep: waiting for approval by sre-lead (carol), request M7QA, 15 min",
    "gatekeep:   touch made",
    "gatekeep: a reason that is longer than one row of this terminal · rule r · https://gw/r/M7QA",
)
APPROVED = ("gatekeep: carol approved M7QA, running it now",)
SHELLS = ("bash", "zsh", "fish")


def later(line: LineEntered) -> bool | None:
    """A person decides on `touch`; the rest is free."""
    return None if "touch" in line.text else True


def shown(shell: RealShell, size: tuple[int, int] = (80, 24)) -> list[str]:
    """The client's screen, as a terminal would paint all that it was sent."""
    screen = pyte.Screen(*size)
    stream = pyte.ByteStream(screen)
    for turn in shell.turns:
        if isinstance(turn, (ToClient, Tell)):
            stream.feed(turn.data)
    return [line.rstrip() for line in screen.display if line.strip()]


def held(shell: RealShell) -> LineEntered:
    """`touch made`, entered, and waiting for a person."""
    shell.prompt()
    shell.keys(b"touch made")
    shell.type(b"\r")
    shell.until(lambda: bool(shell.lines), "the question")
    line = shell.lines[-1]
    shell._take(shell.gate.waiting(line.id, shell.now, WAITING))
    return line


@pytest.mark.parametrize("program", SHELLS)
def test_approved_it_runs_and_the_words_stand_above_it(program: str, tmp_path: Path) -> None:
    """The question is wiped, who approved stays, and the line stands where it stood."""
    with RealShell(program, tmp_path, decide=later) as shell:
        line = held(shell)
        assert WAITING[0] in shown(shell)
        assert not (tmp_path / "made").exists()
        shell._take(shell.gate.answer(line.id, True, shell.now, APPROVED))  # noqa: FBT003 - the gate's own
        shell.prompt()
        assert (tmp_path / "made").exists()
        screen = shown(shell)
        assert WAITING[0] not in screen
        at = screen.index(APPROVED[0])
        assert screen[at + 1].endswith("touch made")
        assert not shell.closed
        assert shell.notes == []


@pytest.mark.parametrize("program", SHELLS)
def test_denied_it_does_not_run_and_the_next_line_is_read(program: str, tmp_path: Path) -> None:
    """The words stay; the shell is as it was."""
    with RealShell(program, tmp_path, decide=later) as shell:
        line = held(shell)
        words = ("gatekeep: bob denied request M7QA", "gatekeep: nothing was run")
        shell._take(shell.gate.answer(line.id, False, shell.now, words))  # noqa: FBT003 - the gate's own
        shell.prompt()
        assert words[0] in shown(shell)
        shell.enter(b"echo next")
        assert not (tmp_path / "made").exists()
        assert shell.lines[-1].text == "echo next"


@pytest.mark.parametrize("program", SHELLS)
def test_withdrawn_it_does_not_run(program: str, tmp_path: Path) -> None:
    """C-c, and the shell is back at its prompt."""
    with RealShell(program, tmp_path, decide=later) as shell:
        line = held(shell)
        shell.type(b"x\x03")
        shell.prompt()
        assert shell.withdrawn == [line.id]
        assert "gatekeep: withdrawn" in shown(shell)
        shell._take(shell.gate.answer(line.id, True, shell.now, ()))  # noqa: FBT003 - the gate's own
        shell.enter(b"echo next")
        assert not (tmp_path / "made").exists()
        assert shell.lines[-1].text == "echo next"


def test_resized_while_it_waits_the_same_line_runs(tmp_path: Path) -> None:
    """Bash paints it anew; what is read then is what was approved."""
    with RealShell("bash", tmp_path, decide=later) as shell:
        line = held(shell)
        shell.resize(60, 20)
        shell.quiet()
        assert shell.gate.digest(line.id) == line.digest
        shell._take(shell.gate.answer(line.id, True, shell.now, APPROVED))  # noqa: FBT003 - the gate's own
        shell.prompt()
        assert (tmp_path / "made").exists()
