"""A real shell on a real pty behind a gate, driven like a person would: type, wait, look.

No sleeps: everything polls with a deadline. What the gate asks is answered by a function.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.lines import prompt_at_cursor
from gatekeep.protocols.ssh.shells.shell_gate import ShellGate
from gatekeep.protocols.ssh.shells.turns import (
    CloseChannel,
    LineEntered,
    LineWithdrawn,
    Note,
    Tell,
    ToClient,
    ToTarget,
    Turn,
)

DEADLINE_S = 20.0
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "dash": ["dash", "-i"],
    "fish": ["fish"],
}


def require(program: str) -> None:
    """Skip where it is not installed, but never in CI."""
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing")
        pytest.skip(f"{program} is missing")


def deny_touch(line: LineEntered) -> bool:
    """The policy of most stories: no line that mentions touch, and nothing unresolved."""
    return "touch" not in line.text and line.resolved


class RealShell:
    """One shell. `lines`, `notes`, `output`, `told` and `sent` hold what the gate gave."""

    def __init__(
        self,
        program: str,
        home: Path,
        rules: GateRules | None = None,
        *,
        decide: Callable[[LineEntered], bool | None] = deny_touch,
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        require(program)
        self.home = home
        if program == "fish":
            # else it reads every manual page of the machine, in a program of its own that outlives it
            (home / ".local/share/fish/generated_completions").mkdir(parents=True, exist_ok=True)
        self.lines: list[LineEntered] = []
        self.notes: list[Note] = []
        self.withdrawn: list[int] = []
        self.output = b""
        self.told = b""
        self.sent = b""
        self.closed = ""
        self.turns: list[Turn] = []
        self._decide = decide
        self.gate = ShellGate(size, rules=rules or GateRules(gated=True, login_shell=program))
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            self._become(program, env or {})
        self.resize(*size)

    def _become(self, program: str, env: Mapping[str, str]) -> None:
        os.chdir(self.home)
        full = {
            "PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(self.home),
            "PS1": "$ ", "LANG": "C.UTF-8", "HISTFILE": "", **env,
        }  # fmt: skip
        try:
            os.execvpe(program, START[program], full)  # noqa: S606 - a shell is what is tested
        finally:
            os._exit(127)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    # --- doing ------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Milliseconds."""
        return time.monotonic_ns() // 1_000_000

    def type(self, data: bytes) -> None:
        """The client sends this, at once."""
        self._take(self.gate.receive_client(data, self.now))

    def enter(self, line: bytes) -> None:
        """Type a line key by key, each after the last was shown, and Enter; wait for the prompt."""
        self.keys(line)
        self.type(b"\r")
        self.prompt()

    def go(self, line: bytes) -> None:
        """Type a line and Enter, where no prompt with marks may follow; wait for quiet."""
        self.keys(line)
        self.type(b"\r")
        self.quiet(250)

    def keys(self, keys: bytes) -> None:
        """Type it and wait until the target is quiet."""
        self.type(keys)
        self.quiet()

    def resize(self, columns: int, rows: int) -> None:
        """The window changes."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._take(self.gate.resized(columns, rows))

    def answer(self, line: LineEntered, *, allowed: bool) -> None:
        """A late decision."""
        self._take(self.gate.answer(line.id, allowed, self.now))

    # --- waiting ----------------------------------------------------------------------------------

    def until(self, happened: Callable[[], bool], what: str = "") -> None:
        """Serve both sides until something is true."""
        limit = time.monotonic() + DEADLINE_S
        while not happened():
            if time.monotonic() > limit:
                pytest.fail(f"never came: {what}\n{self.output[-400:]!r}\n{self.lines}\n{self.notes}")
            self._serve(0.01)

    def quiet(self, for_ms: int = 120) -> None:
        """Serve until nothing was heard for so long and nothing waits."""
        size, since = len(self.output), self.now

        def still() -> bool:
            nonlocal size, since
            if len(self.output) != size or self.gate.deadline_ms is not None:
                size, since = len(self.output), self.now
            return self.now - since >= for_ms

        self.until(still, "quiet")

    def prompt(self) -> None:
        """Serve until the shell edits a line again, or the channel closed."""
        self.quiet()
        self.until(lambda: bool(self.closed) or self._is_prompted(), "a prompt")
        self.quiet()

    def _is_prompted(self) -> bool:
        """Marked, and painted: some shells take their time between the two."""
        editing = self.gate.mode.value in ("edit", "cont")
        return editing and prompt_at_cursor(self.gate._shell.strip).usual

    def _serve(self, patience: float) -> None:
        ready, _, _ = select.select([self._fd], [], [], patience) if self._fd >= 0 else ([], [], [])
        if ready:
            data = b""
            with contextlib.suppress(OSError):
                data = os.read(self._fd, 65_536)
            if data:
                self._take(self.gate.receive_target(data, self.now))
            else:
                self.closed = self.closed or "target"
        self._take(self.gate.tick(self.now))

    def _take(self, turns: list[Turn]) -> None:
        for turn in turns:
            self.turns.append(turn)
            if isinstance(turn, ToTarget):
                self.sent += turn.data
                self._write(turn.data)
            elif isinstance(turn, ToClient):
                self.output += turn.data
            elif isinstance(turn, Tell):
                self.told += turn.data
            elif isinstance(turn, Note):
                self.notes.append(turn)
            elif isinstance(turn, LineWithdrawn):
                self.withdrawn.append(turn.id)
            elif isinstance(turn, CloseChannel):
                self.closed = turn.reason
            else:
                self._line(turn)

    def _line(self, line: LineEntered) -> None:
        self.lines.append(line)
        allowed = self._decide(line)
        if allowed is not None and not line.observed:
            self._take(self.gate.answer(line.id, allowed, self.now, ("gatekeep: no",) * (not allowed)))

    def _write(self, data: bytes) -> None:
        while data and self._fd >= 0:
            _, ready, _ = select.select([], [self._fd], [], 5)
            if not ready:
                pytest.fail("the shell does not read")
            data = data[os.write(self._fd, data) :]

    # --- looking ----------------------------------------------------------------------------------

    @property
    def texts(self) -> list[str]:
        """The lines so far."""
        return [line.text for line in self.lines]

    def kinds(self) -> list[EventKind]:
        """The notes so far."""
        return [note.kind for note in self.notes]

    def made(self, name: str) -> bool:
        """Whether the shell made this file."""
        return (self.home / name).exists()

    def hang_up(self) -> None:
        """As when the channel closes."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            limit = time.monotonic() + 2
            while time.monotonic() < limit:
                if os.waitpid(self._pid, os.WNOHANG)[0]:
                    return
                select.select([], [], [], 0.01)
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
