"""Terminals with the hook, opened for a test and hung up behind it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hooked_shell import Judge, Open, Terminal

from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.turns import LineEntered

SHELLS: tuple[HookedShell, ...] = ("bash", "zsh")


def not_denied(line: LineEntered) -> bool | None:
    """A policy that denies what says so, and leaves what says `pending`."""
    return None if "pending" in line.text else "denied" not in line.text


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens terminals, and hangs up."""
    terminals: list[Terminal] = []

    def make(
        shell: HookedShell, judge: Judge = not_denied, rc: str = "", login: str = "/bin/sh", **env: str
    ) -> Terminal:
        home = tmp_path / f"home{len(terminals)}"
        home.mkdir()
        text = "PS1='P> ' PS2='C> '\n" + rc
        (home / (".bash_profile" if shell == "bash" else ".zshrc")).write_text(text)
        terminal = Terminal(shell, home, judge, login, **env)
        terminals.append(terminal)
        terminal.prompt()
        return terminal

    yield make
    for terminal in terminals:
        terminal.close()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> HookedShell:
    """Each of the two."""
    found: HookedShell = request.param
    if shutil.which(found) is None:
        pytest.skip(f"no {found}")
    return found
