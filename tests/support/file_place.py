"""A home on a target, a directory of a client, and a file conversation between them."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.file_relay import SFTP_SERVER, FileRelay, read_story, write_program

from gatekeep.protocols.ssh.files.sftp import SftpConversation

NEEDED = pytest.mark.skipif(
    not (Path(SFTP_SERVER).exists() and shutil.which("sftp") and shutil.which("scp")),
    reason="needs OpenSSH's sftp-server, sftp and scp",
)
BIG = 64 * 1024 * 1024 + 12345


class Place:
    """A home on the target, a directory of the client, and the program between them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.local = root / "local"
        self.home.mkdir()
        self.local.mkdir()
        self.told = root / "story"

    def run(self, *words: str, rule: str = "True", stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A client is run in the local directory, the target in its home."""
        program = write_program(self.root, rule, self.told, self.home)
        return subprocess.run(
            [word.replace("@", str(program)) for word in words],
            cwd=self.local, input=stdin, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

    def sftp(self, *lines: str, rule: str = "True") -> subprocess.CompletedProcess[str]:
        """A batch of commands."""
        return self.run("sftp", "-b", "-", "-D", "@", rule=rule, stdin="\n".join(lines) + "\n")

    @property
    def story(self) -> list[dict[str, Any]]:
        """What was told."""
        return read_story(self.told)

    def operations(self) -> list[str]:
        """The operations that were submitted."""
        return [line["operation"] for line in self.story if "submitted" in line]

    def settled(self, part: str) -> list[dict[str, Any]]:
        """What was read or written, by file."""
        return [line[part] for line in self.story if "settled" in line and part in line]


def make_big(path: Path) -> str:
    """A file of 64 MB and its hash."""
    content = os.urandom(1 << 20) * 64 + os.urandom(12345)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


class Wire(socket.socket):
    """A socket that paramiko takes for a channel."""

    def get_name(self) -> str:
        """For its log."""
        return "wire"

    def recv_ready(self) -> bool:
        """Whether there is something to read."""
        return bool(select.select([self], [], [], 0)[0])


@contextmanager
def served(place: Place) -> Iterator[socket.socket]:
    """The client's end of a socket behind which an OpenSSH sftp target is, through a conversation."""
    pair, theirs = socket.socketpair()
    ours = Wire(fileno=pair.detach())
    with subprocess.Popen([SFTP_SERVER], stdin=-1, stdout=-1, bufsize=0, cwd=place.home) as child:
        relay = FileRelay(SftpConversation(), "True", place.told)
        ends = (theirs.fileno(), theirs.fileno())
        thread = threading.Thread(target=relay.run, args=(child, ends))
        thread.start()
        try:
            yield ours
        finally:
            ours.close()
            thread.join(30)
            theirs.close()
            relay.close()
