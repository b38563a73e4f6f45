"""Real zsh, fish and dash behind the gate; their grammar is not bash's, so here only the reading."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.real_shell import RealShell

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.turns import LineEntered

READ = {
    "typing": (b"echo one", "echo one"),
    "edit in the middle": (b"echo abc\x1b[D\x1b[DX", "echo aXbc"),
    "history": (b"\x1b[A", "echo earlier"),
    "three rows": (b"echo " + b"a" * 200, "echo " + "a" * 200),
    "accents": ("echo é ü".encode(), "echo é ü"),
    "a paste": (b"\x1b[200~echo a b\x1b[201~", "echo a b"),
}


def not_touch(line: LineEntered) -> bool:
    """Nothing that mentions touch."""
    return "touch" not in line.text


@pytest.mark.parametrize("program", ["zsh", "fish"])
@pytest.mark.parametrize("name", READ)
def test_what_is_typed_is_read(program: str, name: str, tmp_path: Path) -> None:
    """The line as it stands on the screen."""
    keys, line = READ[name]
    with RealShell(program, tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.enter(b"echo earlier")
        shell.enter(keys)
        assert shell.texts == ["echo earlier", line]
        assert EventKind.LINE_UNGATED not in shell.kinds()


@pytest.mark.parametrize("program", ["zsh", "fish"])
@pytest.mark.parametrize("setup", [b"true", b"bindkey -v || fish_vi_key_bindings"])
def test_what_is_denied_does_not_run(program: str, setup: bytes, tmp_path: Path) -> None:
    """Refused with C-c alone; the next line stands alone."""
    with RealShell(program, tmp_path, decide=not_touch) as shell:
        shell.prompt()
        if program == "fish" or b"||" not in setup:
            shell.enter(setup if program == "zsh" else setup.rpartition(b"|| ")[2])
        else:
            shell.enter(b"bindkey -v")
        shell.keys(b"touch made")
        shell.type(b"\r")
        shell.prompt()
        if not shell.closed:
            shell.enter(b"echo k")
            assert shell.texts[-1] == "echo k"
        shell.hang_up()
        assert "touch made" in shell.texts
        assert not shell.made("made")


@pytest.mark.parametrize("program", ["zsh", "fish"])
def test_a_continuation_is_judged_with_what_came_before(program: str, tmp_path: Path) -> None:
    """An open quote."""
    with RealShell(program, tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.go(b"echo 'a")
        shell.go(b"b'")
        assert shell.texts[0] == "echo 'a"
        assert shell.texts[-1].startswith("echo 'a\n")
        assert shell.texts[-1].endswith("b'")


def test_zsh_hides_what_it_reads_silently(tmp_path: Path) -> None:
    """Noticed: `read -s`, then eval, with its length."""
    with RealShell("zsh", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.go(b'read -s x; eval "$x"')
        shell.enter(b"touch made")
        hidden = [note.payload for note in shell.notes if note.kind is EventKind.LINE_HIDDEN]
        assert hidden == [{"bytes": 10, "state": "run"}]


def test_zsh_shows_its_line_though_echo_is_off(tmp_path: Path) -> None:
    """Held: its editor paints whatever the terminal's mode is."""
    with RealShell("zsh", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.enter(b"stty -echo")
        shell.enter(b"touch made")
        assert shell.texts == ["stty -echo", "touch made"]
        assert not shell.made("made")


@pytest.mark.parametrize("program", ["zsh", "fish"])
def test_type_ahead_is_noticed(program: str, tmp_path: Path) -> None:
    """Not held."""
    with RealShell(program, tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.type(b"sleep 1\r")
        shell.until(lambda: shell.gate.mode.value == "run", "sleep")
        shell.keys(b"touch made\r")
        shell.until(lambda: EventKind.LINE_UNGATED in shell.kinds(), "the event")


@pytest.mark.parametrize("program", ["zsh", "fish"])
def test_lines_are_told_where_nothing_is_gated(program: str, tmp_path: Path) -> None:
    """Observed at the moment when the shell takes them."""
    with RealShell(program, tmp_path, GateRules(gated=False, login_shell=program)) as shell:
        shell.prompt()
        shell.enter(b"echo abc\x1b[D\x1b[DX")
        shell.enter(b"touch made")
        assert [(line.text, line.observed) for line in shell.lines] == [
            ("echo aXbc", True), ("touch made", True),
        ]  # fmt: skip
        assert shell.made("made")


def test_dash_is_refused_where_it_is_not_known(tmp_path: Path) -> None:
    """It never says when it edits: keys wait, then the channel closes; nothing ran."""
    with RealShell("dash", tmp_path, GateRules(gated=True, unknown_ms=500)) as shell:
        shell.type(b"touch made\r")
        shell.until(lambda: bool(shell.closed), "the end")
        assert (shell.closed, shell.sent) == ("no_marks", b"")
        assert not shell.made("made")


def test_dash_is_opaque_where_rules_allow_it(tmp_path: Path) -> None:
    """Everything passes, in one pair of events."""
    rules = GateRules(gated=True, unknown="allow", unknown_ms=200)
    with RealShell("dash", tmp_path, rules) as shell:
        shell.type(b"touch made\r")
        shell.until(lambda: shell.made("made"), "the file")
        shell.notes += [turn for turn in shell.gate.ended() if hasattr(turn, "kind")]
        assert shell.kinds() == [EventKind.OPAQUE_BEGAN, EventKind.OPAQUE_ENDED]
