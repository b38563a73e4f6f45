"""Makes the keys of the demo's SSH target, starts it in a process of its own, and ends it.

The target's own work is `ssh_target`. Keys are made once and stay, so that what is known of the
target stays true.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import asyncssh

from gatekeep.demo.ssh_target import AUTHORIZED, HOME, HOST_KEY
from gatekeep.errors import SettingsError

_START_S: Final = 30
_STOP_S: Final = 5

_README: Final = """This is the home of account deploy on web-1, a toy machine of the demo.
Everything that you do here is recorded by the gateway in front of it.
"""
_BASHRC: Final = """PS1='deploy@web-1:\\w\\$ '
"""
_LOG: Final = "".join(
    f"2026-01-{day:02d}T08:00:00Z shop[{100 + day}]: served {day * 37} orders\n"
    for day in range(1, 29)
)


def ensure_key(path: Path, comment: str) -> str:
    """The public line of an ed25519 key at `path`, made now if it is missing; ours to read alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key.export_private_key())
        path.with_name(f"{path.name}.pub").write_bytes(key.export_public_key())
    return asyncssh.read_private_key(path).export_public_key().decode("ascii").strip()


class SshTargetProcess:
    """The target in `directory`, for whoever has the key that `gateway_key` is the public line of.

    Raises SettingsError if it does not start.
    """

    def __init__(self, directory: Path, gateway_key: str) -> None:
        self.directory = directory
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        home = directory / HOME
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.public_key = ensure_key(directory / HOST_KEY, "web-1")
        (directory / AUTHORIZED).write_text(gateway_key + "\n")
        if not (home / "README").exists():
            (home / "README").write_text(_README)
            (home / "shop.log").write_text(_LOG)
            (home / ".bashrc").write_text(_BASHRC)

    @property
    def home(self) -> Path:
        """Where its shells begin."""
        return self.directory / HOME

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is not running."""
        return self._process.pid if self._process is not None else 0

    def start(self, preferred_port: int = 0) -> None:
        """Start it on that port, or on a free one where somebody has it, and wait until it listens."""
        for port in dict.fromkeys((preferred_port, 0)):
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "gatekeep.demo.ssh_target", str(self.directory), str(port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            self.port = self._told_port()
            if self.port:
                return
            said = self._said()
        raise SettingsError(f"the demo's SSH target did not start: {said}")

    def stop(self) -> None:
        """End it, and what runs in it; a second call does nothing."""
        self._said()

    def _told_port(self) -> int:
        if self._process is None or self._process.stdout is None:
            return 0
        deadline, told = time.monotonic() + _START_S, b""
        while not told.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                return 0
            more = os.read(self._process.stdout.fileno(), 64)
            if not more:
                return 0
            told += more
        return int(told)

    def _said(self) -> str:
        """Its last words, once it is gone."""
        process, self._process = self._process, None
        if process is None:
            return ""
        try:
            _, errors = process.communicate(timeout=_STOP_S)  # its input ends
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        return errors.decode(errors="replace")[-1000:]
