"""A real bash behind the gate, and what people have used to get past such gates elsewhere.

Each story says whether the line was read, held, refused, or only noticed; docs/shell-gate.md holds
the same table.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.real_shell import RealShell, require

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.turns import LineEntered


def not_touch(line: LineEntered) -> bool:
    """Nothing that mentions touch; what is unresolved may pass."""
    return "touch" not in line.text


def anything(_: LineEntered) -> bool:
    """All may pass."""
    return True


def test_a_heredoc_is_judged_with_all_that_came_before(tmp_path: Path) -> None:
    """Read: the text so far, at each line."""
    with RealShell("bash", tmp_path, decide=anything) as shell:
        shell.prompt()
        for line in (b"cat <<E", b"one", b"E", b"echo 'a", b"b'", b"echo \\", b"c"):
            shell.enter(line)
        assert shell.texts == [
            "cat <<E", "cat <<E\none", "cat <<E\none\nE", "echo 'a", "echo 'a\nb'", "echo \\",
            "echo \\\nc",
        ]  # fmt: skip
        assert all(line.resolved for line in shell.lines)


def test_a_denied_line_of_a_heredoc_gives_up_all_of_it(tmp_path: Path) -> None:
    """Refused, and the next line stands alone."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        for line in (b"bash <<E", b"touch made", b"echo k"):
            shell.enter(line)
        assert shell.texts == ["bash <<E", "bash <<E\ntouch made", "echo k"]
        assert not shell.made("made")


def test_a_paste_of_lines_is_one_line(tmp_path: Path) -> None:
    """Read, and held as a whole."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.enter(b"\x1b[200~echo a\ntouch made\x1b[201~")
        shell.enter(b"echo k")
        assert shell.texts == ["echo a\ntouch made", "echo k"]
        assert shell.lines[0].resolved
        assert not shell.made("made")


@pytest.mark.parametrize("program", ["bash", "zsh", "fish"])
def test_a_paste_without_brackets_stops_at_what_is_denied(program: str, tmp_path: Path) -> None:
    """Each line is judged at its own prompt; what stands behind a denied one is dropped.

    Behind a line that takes half a second the rest is type-ahead, which is noticed and not held.
    """
    with RealShell(program, tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.type(b"echo a\recho b\rtouch made\recho d\r")
        shell.until(
            lambda: "touch made" in shell.texts or EventKind.LINE_UNGATED in shell.kinds(),
            "the third line",
        )
        shell.prompt()
        ungated = [note for note in shell.notes if note.kind is EventKind.LINE_UNGATED]
        if ungated:  # a machine so busy that echo takes that long
            told = any("touch made" in str(note.payload) for note in ungated)
            assert told or not shell.made("made")
            return
        assert shell.texts == ["echo a", "echo b", "touch made"]
        assert not shell.made("made")


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_a_large_paste(size: int, tmp_path: Path) -> None:
    """Read while it fits the window; longer ones are told as unsure, and whole all the same."""
    with RealShell("bash", tmp_path, decide=anything) as shell:
        shell.prompt()
        shell.enter(b"\x1b[200~true " + b"x" * size + b"\x1b[201~")
        assert shell.texts == ["true " + "x" * size]
        assert shell.lines[0].resolved is (size < 80 * 24)


def test_split_characters(tmp_path: Path) -> None:
    """Read, when UTF-8 comes a byte at a time."""
    with RealShell("bash", tmp_path, decide=anything) as shell:
        shell.prompt()
        for byte in "echo é漢".encode():
            shell.type(bytes((byte,)))
        shell.quiet()
        shell.enter(b"")
        assert [(line.text, line.resolved) for line in shell.lines] == [("echo é漢", True)]


@pytest.mark.parametrize("keys", [b"!!", b"!ec", b"^earlier^x", b'echo "!e"'])
def test_history_expansion_is_unsure(keys: bytes, tmp_path: Path) -> None:
    """Held: what is shown is not what will run."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.enter(b"echo earlier")
        shell.enter(keys)
        assert (shell.lines[1].resolved, shell.lines[1].tags) == (False, {"history_expansion"})


@pytest.mark.parametrize(
    "setup",
    [b"stty -echo", b"bind 'set horizontal-scroll-mode on'", b"bind 'set enable-bracketed-paste off'"],
)
def test_what_hides_a_line_makes_it_unsure(setup: bytes, tmp_path: Path) -> None:
    """Held or read, and never run without being asked for; a long line with its end out of sight."""
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        shell.go(setup)
        shell.go(b"echo " + b"a" * 100 + b"; touch made\x01")
        shell.hang_up()
        assert len(shell.lines) == 2
        assert not shell.made("made")


def test_echo_off(tmp_path: Path) -> None:
    """Noticed: counted, unresolved, without text; refused where the rule says deny."""
    rules = GateRules(gated=True, hidden_input="deny")
    with RealShell("bash", tmp_path, rules, decide=anything) as shell:
        shell.prompt()
        shell.enter(b"stty -echo")
        shell.enter(b"touch made")
        shell.enter(b"stty echo")
        assert [note.payload["bytes"] for note in shell.notes] == [10, 9]
        assert not shell.made("made")
        assert "touch" not in repr(shell.lines) + repr(shell.notes)


@pytest.mark.parametrize("rule", ["alert", "deny"])
def test_a_silent_read_that_is_evaluated(rule: str, tmp_path: Path) -> None:
    """Noticed: it runs under alert, with its length told; under deny it does not."""
    rules = GateRules(gated=True, hidden_input=rule)  # type: ignore[arg-type] # - one of two
    with RealShell("bash", tmp_path, rules, decide=anything) as shell:
        shell.prompt()
        shell.go(b'read -s x; eval "$x"')
        shell.enter(b"touch made")
        shell.enter(b"echo k")
        hidden = [note.payload for note in shell.notes if note.kind is EventKind.LINE_HIDDEN]
        assert hidden == [{"bytes": 10, "state": "run"}]
        assert shell.made("made") is (rule == "alert")


def test_a_password_is_in_no_turn(tmp_path: Path) -> None:
    """Only its length is told."""
    with RealShell("bash", tmp_path, decide=anything) as shell:
        shell.prompt()
        shell.go(b"read -sp 'Password: ' x; echo")
        shell.enter(b"hunter2")
        shell.enter(b"echo k")
        assert b"hunter2" in shell.sent
        assert "hunter2" not in repr(shell.lines) + repr(shell.notes)
        assert b"hunter2" not in shell.told


def test_type_ahead_runs_and_is_noticed(tmp_path: Path) -> None:
    """Noticed, not held: typed while a program ran, with its Enter."""
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        shell.type(b"sleep 1\r")
        shell.until(lambda: shell.gate.mode.value == "run", "sleep")
        shell.keys(b"touch made\r")
        shell.until(lambda: EventKind.LINE_UNGATED in shell.kinds(), "the event")
        [note] = [note for note in shell.notes if note.kind is EventKind.LINE_UNGATED]
        assert "touch made" in str(note.payload["text"])


def test_type_ahead_without_its_enter_is_held(tmp_path: Path) -> None:
    """Held: what was typed early is not taken for a prompt."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.type(b"sleep 1\r")
        shell.until(lambda: shell.gate.mode.value == "run", "sleep")
        shell.keys(b"touch made")
        shell.until(lambda: shell.gate.mode.value == "edit", "the prompt")
        shell.enter(b"")
        assert "touch made" in shell.texts[-1]
        shell.enter(b"echo k")
        assert not shell.made("made")


def test_type_ahead_right_behind_a_quick_command_is_held(tmp_path: Path) -> None:
    """Held: lines wait 150 ms for a prompt."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.keys(b"true")
        shell.type(b"\r")
        shell.type(b"touch made\r")
        shell.until(lambda: "touch made" in shell.texts, "the line")
        shell.prompt()
        assert not shell.made("made")


def test_another_key_that_accepts_is_noticed(tmp_path: Path) -> None:
    """Noticed, not held; by rule the channel closes."""
    rules = GateRules(gated=True, ungated="close")
    with RealShell("bash", tmp_path, rules) as shell:
        shell.prompt()
        shell.enter(b"bind '\"q\": accept-line'")
        shell.type(b"touch madeq")
        shell.until(lambda: bool(shell.closed), "the end")
        assert shell.closed == "ungated"
        assert EventKind.LINE_UNGATED in shell.kinds()


@pytest.mark.parametrize("before", [b"\x16", b"x\x1b"], ids=["quoted", "vi commands"])
def test_a_paste_that_is_none(before: bytes, tmp_path: Path) -> None:
    """Held: after C-v, or among vi's commands, bash takes its line end for an Enter."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.enter(b"set -o vi")
        shell.keys(before + b"\x1b[200~ccxtouch made\r\x1b[201~")
        shell.until(lambda: len(shell.lines) == 2, "a line")
        shell.prompt()
        assert "touch made" in shell.texts[1]
        assert not shell.made("made")


@pytest.mark.parametrize(
    "forged",
    [
        rb"printf '\e[?1049h'",
        rb"printf '\e[?1049h\e[2;1H'",
        rb"printf '\e[?2004hx\e[?2004l'",
        rb"printf '\e[?2004l\e[?1049h'",
        rb"printf '**\x18B00000000000000\r\n'",
        rb"printf '\e]133;C\a\e]133;A\a'",
        rb"printf '\ePq'",
    ],
)
@pytest.mark.parametrize("program", ["bash", "zsh", "fish"])
def test_forged_marks_open_nothing(program: str, forged: bytes, tmp_path: Path) -> None:
    """Held: after each of them the next line is judged, refused, and all output was relayed."""
    with RealShell(program, tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.go(forged)
        shell.go(b"touch made")
        shell.hang_up()
        assert "touch made" in shell.texts[-1]
        assert not shell.made("made")


def test_marks_forged_at_the_prompt_open_nothing(tmp_path: Path) -> None:
    """Held: a job in the background prints them while a line is edited."""
    with RealShell("bash", tmp_path, decide=not_touch) as shell:
        shell.prompt()
        shell.enter(rb"(read -t 0.4 < <(tail -f /dev/null); printf '\e[?2004l\e[?1049h') &")
        shell.until(lambda: b"\x1b[?1049h" in shell.output, "the forged marks")
        shell.quiet()
        shell.keys(b"touch made\r")
        shell.prompt()
        assert "touch made" in shell.texts[1]
        assert not shell.made("made")


def test_a_line_from_an_editor_is_noticed(tmp_path: Path) -> None:
    """Noticed, not held: C-x C-e runs what the editor wrote."""
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho touch made > $1\n")
    editor.chmod(0o755)
    with RealShell("bash", tmp_path, env={"EDITOR": str(editor)}) as shell:
        shell.prompt()
        shell.type(b"echo\x18\x05")
        shell.until(lambda: EventKind.LINE_UNGATED in shell.kinds(), "the event")
        shell.until(lambda: shell.made("made"), "the file")


def test_a_resize_while_it_is_decided(tmp_path: Path) -> None:
    """Read again: the same text runs."""
    with RealShell("bash", tmp_path, decide=lambda line: None if "wait" in line.text else True) as shell:
        shell.prompt()
        shell.keys(b"echo wait\r")
        shell.until(lambda: bool(shell.lines), "a line")
        shell.resize(60, 20)
        shell.quiet()
        shell.answer(shell.lines[0], allowed=True)
        shell.prompt()
        assert b"\rwait\r\n" in shell.output


def test_reset_and_clear(tmp_path: Path) -> None:
    """Read: the screen may be wiped at any time."""
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        shell.enter(b"reset")
        shell.until(lambda: shell.gate.mode.value == "edit", "the prompt")
        shell.enter(b"clear")
        shell.enter(b"echo k")
        shell.enter(b"touch made")
        assert [(line.text, line.resolved) for line in shell.lines[1:]] == [
            ("clear", True), ("echo k", True), ("touch made", True),
        ]  # fmt: skip
        assert not shell.made("made")


def test_stop_and_foreground(tmp_path: Path) -> None:
    """Read: C-z and fg."""
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        shell.type(b"sleep 60\r")
        shell.until(lambda: shell.gate.mode.value == "run", "sleep")
        shell.quiet()
        shell.type(b"\x1a")
        shell.prompt()
        shell.type(b"fg\r")
        shell.until(lambda: shell.gate.mode.value == "run", "fg")
        shell.quiet()
        shell.type(b"\x03")
        shell.prompt()
        shell.enter(b"touch made")
        assert [line.text for line in shell.lines] == ["sleep 60", "fg", "touch made"]
        assert not shell.made("made")


@pytest.mark.parametrize(
    ("program", "command", "keys"),
    [
        ("vim", b"vim -u NONE", b"ione\r\rtwo\x1b:q!\r"),
        ("less", b"seq 200 | less", b"\r\rq"),
        ("python3", b"python3 -c 'print(input())'", b"hello\r"),
    ],
)
def test_programs_are_opaque_and_end(program: str, command: bytes, keys: bytes, tmp_path: Path) -> None:
    """Not held: one pair of events; the next line is."""
    require(program)
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        shell.type(command + b"\r")
        shell.until(lambda: shell.gate.mode.value in ("run", "alt"), program)
        shell.quiet(300)
        shell.type(keys)
        shell.prompt()
        shell.enter(b"touch made")
        kinds = [kind for kind in shell.kinds() if kind.value.startswith("opaque")]
        assert kinds == [EventKind.OPAQUE_BEGAN, EventKind.OPAQUE_ENDED]
        assert EventKind.LINE_UNGATED not in shell.kinds()
        assert shell.texts == [command.decode(), "touch made"]
        assert not shell.made("made")


def test_another_shell_with_the_same_prompt(tmp_path: Path) -> None:
    """Held, though dash says nothing by marks: the known prompt is enough."""
    require("dash")
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        for line in (b"exec dash", b"echo one", b"touch made", b"echo two"):
            shell.go(line)
        assert shell.texts == ["exec dash", "echo one", "touch made", "echo two"]
        assert not shell.made("made")


def test_only_watched(tmp_path: Path) -> None:
    """Not gated: nothing waits, each line is told when it was taken, and so is what was hidden."""
    with RealShell("bash", tmp_path, GateRules(gated=False)) as shell:
        shell.prompt()
        shell.enter(b"echo abc\x1b[D\x1b[DX")
        shell.enter(b"touch made")
        shell.enter(b"stty -echo")
        shell.enter(b"touch more")
        assert [(line.text, line.resolved, line.observed) for line in shell.lines] == [
            ("echo aXbc", True, True), ("touch made", True, True), ("stty -echo", True, True),
            ("", False, True),
        ]  # fmt: skip
        assert shell.made("made")
        assert shell.made("more")
        assert EventKind.LINE_HIDDEN in shell.kinds()
