"""The gate before a real bash: what is read, what is held, and that what is denied never runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.real_shell import RealShell

from gatekeep.domain.events import EventKind

READ = {
    "typing": (b"echo one two", "echo one two"),
    "edit in the middle": (b"echo abc\x1b[D\x1b[D\x1b[DX", "echo Xabc"),
    "erase": (b"echo abcd\x7f\x7f", "echo ab"),
    "kill and yank": (b"echo a b\x01\x0b\x19", "echo a b"),
    "exact width": (b"echo " + b"a" * 73, "echo " + "a" * 73),
    "one more": (b"echo " + b"a" * 74, "echo " + "a" * 74),
    "three rows": (b"echo " + b"b" * 200, "echo " + "b" * 200),
    "three rows, edited in the first": (
        b"echo " + b"b" * 200 + b"\x01" + b"\x1b[C" * 5 + b"X", "echo X" + "b" * 200,
    ),
    "wide": ("echo 漢字かな".encode(), "echo 漢字かな"),
    "wide over the edge": (("echo " + "漢" * 60).encode(), "echo " + "漢" * 60),
    "accents": ("echo é ü".encode(), "echo é ü"),
    "unique completion": (b"echo uniq\t", "echo uniquefile"),
    "completion list": (b"echo dou\t\tb", "echo doubleb"),
    "screen cleared": (b"echo abc\x0cd", "echo abcd"),
    "history": (b"\x1b[A", "echo earlier"),
    "history, edited": (b"\x1b[A\x7f\x7f", "echo earli"),
    "search": (b"\x12earl", "echo earlier"),
    "search that fails": (b"\x12earlx", "echo earlier"),
    "operate and get next": (b"echo o", "echo o"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_typed_is_read(name: str, tmp_path: Path) -> None:
    """The line that the gate asks about is the line that bash would run, and it is sure of it."""
    keys, line = READ[name]
    for made in ("uniquefile", "doublea", "doublebc"):
        (tmp_path / made).touch()
    with RealShell("bash", tmp_path) as shell:
        shell.prompt()
        shell.enter(b"echo earlier")
        shell.keys(keys)
        shell.type(b"\x0f" if "operate" in name else b"\r")
        shell.prompt()
        assert [(seen.text.rstrip(), seen.resolved) for seen in shell.lines] == [
            ("echo earlier", True), (line, True),
        ]  # fmt: skip
        assert EventKind.LINE_UNGATED not in shell.kinds()
        assert EventKind.GATE_DEGRADED not in shell.kinds()
        assert EventKind.LINE_HIDDEN not in shell.kinds()


SETUPS = {
    "emacs": (b"true", b""),
    "vi, inserting": (b"set -o vi", b""),
    "vi, commanding": (b"set -o vi", b"\x1b0"),
    "C-u does nothing": (b"bind '\"\\C-u\": \"\"'", b""),
    "C-e accepts": (b"bind '\"\\C-e\": accept-line'", b""),
    "stty intr undef": (b"stty intr undef", b""),
    "INT is ignored": (b"trap '' INT", b""),
    "stty -isig": (b"stty -isig", b""),
    "INT and HUP are ignored": (b"trap '' INT HUP", b""),
}


@pytest.mark.parametrize("name", SETUPS)
def test_what_is_denied_does_not_run(name: str, tmp_path: Path) -> None:
    """Refused with C-c alone: either a new prompt comes, or the channel closes; the file is not there."""
    setup, after = SETUPS[name]
    with RealShell("bash", tmp_path, decide=lambda line: "touch" not in line.text) as shell:
        shell.prompt()
        shell.enter(setup)
        shell.keys(b"touch made" + after)
        shell.type(b"\r")
        shell.prompt()
        if not shell.closed:
            shell.enter(b"echo go on")
        shell.hang_up()
        assert not shell.made("made")
        assert b"touch made" + after + b"\x03" in shell.sent
