"""A real shell on a real terminal, with a HookGate between it and a test that plays the person."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gatekeep.protocols.ssh.shells import turns as says
from gatekeep.protocols.ssh.shells.hook import HookGate
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell, hook_command

Judge = Callable[[says.LineEntered], bool | None]
DEADLINE_S = 20.0


def everything(_line: says.LineEntered) -> bool | None:
    """A policy that allows."""
    return True


class Terminal:
    """`judge` answers each line at once: True, False, or None to leave it waiting."""

    def __init__(
        self, shell: HookedShell, home: Path, judge: Judge = everything, login: str = "/bin/sh", **env: str
    ) -> None:
        self.judge = judge
        self.home = home
        self.shell = shell
        self.gate = HookGate(shell, b"k" * 32, self.now())
        self.shown = bytearray()
        self.told = bytearray()
        self.sent = bytearray()
        self.turns: list[Any] = []
        self.ended = False
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            around = {
                "HOME": str(home), "TERM": "xterm-256color", "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8", "SHELL": login, **env,
            }  # fmt: skip
            os.execve(login, [login, "-c", hook_command(shell)], around)  # noqa: S606 - as sshd does
        self.resize(40, 120)

    @staticmethod
    def now() -> int:
        """Milliseconds."""
        return time.monotonic_ns() // 1_000_000

    def resize(self, rows: int, columns: int) -> None:
        """What a window-change request does."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def carry_out(self, turns: list[Any]) -> None:
        """Do what the gate says, and judge what it asks."""
        for turn in turns:
            self.turns.append(turn)
            if isinstance(turn, says.ToTarget):
                self.sent += turn.data
                self._write(turn.data)
            elif isinstance(turn, says.ToClient):
                self.shown += turn.data
            elif isinstance(turn, says.Tell):
                self.told += turn.data
            elif isinstance(turn, says.LineEntered):
                verdict = self.judge(turn)
                if verdict is not None:
                    self.answer(turn, allowed=verdict)

    def _write(self, data: bytes) -> None:
        """A terminal that is full must be read meanwhile: its echo would else block both."""
        while data:
            readable, writable, _ = select.select([self.fd], [self.fd], [], DEADLINE_S)
            if writable:
                done = os.write(self.fd, data[:1024])
                data = data[done:]
            elif not readable:
                raise TimeoutError
            else:
                self.pump(0)

    def answer(self, line: says.LineEntered, *, allowed: bool) -> None:
        """Answer a line."""
        words = () if allowed else ("gatekeep: not this one",)
        self.carry_out(self.gate.answer(line.id, allowed=allowed, now_ms=self.now(), words=words))

    def type(self, text: str | bytes) -> None:
        """The person types, all in one chunk."""
        data = text if isinstance(text, bytes) else text.encode()
        self.carry_out(self.gate.receive_client(data, self.now()))

    def pump(self, wait: float = 0.05) -> None:
        """Read once."""
        if self.ended:
            return
        readable, _, _ = select.select([self.fd], [], [], wait)
        if readable:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if data:
                self.carry_out(self.gate.receive_target(data, self.now()))
            else:
                self.ended = True
                self.carry_out(self.gate.target_ended())
        self.carry_out(self.gate.tick(self.now()))

    def until(self, holds: Callable[[], Any], what: str = "") -> None:
        """Poll with a deadline."""
        end = time.monotonic() + DEADLINE_S
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(
                    f"{what or 'not reached'}: {self.gate.state} {self.texts} {self.notes}\n"
                    f"shown {bytes(self.shown[-1500:])!r}\ntold {bytes(self.told[-300:])!r}"
                )
            self.pump()

    def prompt(self) -> None:
        """Wait for the line editor."""
        self.until(lambda: self.gate.state.value == "edit" and self.gate._editing, "no prompt")

    def interrupt(self) -> None:
        """Ctrl-C at the prompt, and the new prompt.

        bash by itself (5.2, without any hook) misses one now and then that comes right behind a
        key, until the next key: pressed again, then.
        """
        size = -1
        while size != len(self.shown):
            size = len(self.shown)
            self.pump(0.1)
        before = len(self.shown)
        end = time.monotonic() + DEADLINE_S
        while b"P> " not in self.shown[before:] and time.monotonic() < end:
            self.type(b"\x03")
            for _ in range(10):
                self.pump()
        self.prompt()

    def run(self, line: str) -> None:
        """Type a line and wait for the prompt behind it."""
        count = len(self.lines)
        self.type(line + "\r")
        self.until(lambda: len(self.lines) > count, f"{line!r} was not reported")
        self.prompt()

    @property
    def lines(self) -> list[says.LineEntered]:
        """What was asked."""
        return [turn for turn in self.turns if isinstance(turn, says.LineEntered)]

    @property
    def texts(self) -> list[str]:
        """The texts of what was asked."""
        return [line.text for line in self.lines]

    @property
    def notes(self) -> list[says.Note]:
        """What is to be recorded beside lines."""
        return [turn for turn in self.turns if isinstance(turn, says.Note)]

    @property
    def finished(self) -> dict[int, int | None]:
        """Exit statuses by line."""
        return {t.line_id: t.exit_status for t in self.turns if isinstance(t, says.Finished)}

    def status_of(self, text: str) -> int | None:
        """The exit status of the last line with this text."""
        return self.finished[next(line.id for line in reversed(self.lines) if line.text == text)]

    def made(self, name: str) -> bool:
        """Whether a command left this file."""
        return (self.home / name).exists()

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            os.close(self.fd)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


Open = Callable[..., Terminal]
"""Opens a terminal on a shell: the fixture `opened`."""
