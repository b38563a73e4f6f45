"""The tour's part over SSH: a command, a shell, a file and a tunnel, each allowed and refused.

Real OpenSSH clients against a door, whose host, port and keys are given. Each step fails the tour
when the answer is not the promised one.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatekeep.demo.embedded import HOST, free_port
from gatekeep.errors import GatekeepError

_STEP_S: Final = 60
_SHOWN_LINES: Final = 8
_WAITING: Final = b"gatekeep: waiting for approval"


class SshTourFailed(GatekeepError):  # noqa: N818 - reads as what happened
    """A step over SSH did not answer as promised."""


@dataclass(frozen=True, slots=True)
class SshSight:
    """What the tour looks at.

    `login` signs in with `key`; `stranger` is a login with `stranger_key` that no rule permits
    anything. `public_key` is the door's public line, `database_port` the port of a registered
    database, `home` the account's home on the target, which this machine can read.
    """

    host: str
    port: int
    public_key: str
    login: str
    key: Path
    stranger: str
    stranger_key: Path
    database_port: int
    home: Path


def clients_are_here() -> bool:
    """Whether this machine has OpenSSH's clients; without them the tour leaves SSH out."""
    return all(shutil.which(program) for program in ("ssh", "sftp"))


def take_ssh_tour(sight: SshSight, say: Callable[[str], None]) -> None:
    """Run every step; raises SshTourFailed at the first that does not hold."""
    with tempfile.TemporaryDirectory(prefix="gatekeep-tour-") as scratch:
        steps = _Steps(sight, Path(scratch), say)
        steps.commands()
        steps.shells()
        steps.files()
        steps.tunnels()
    say("Over SSH, too, everything was as promised.")


class _Steps:
    """The steps, in order; each says what it does before it does it."""

    def __init__(self, sight: SshSight, scratch: Path, say: Callable[[str], None]) -> None:
        self._sight = sight
        self._scratch = scratch
        self._say = say
        self._known = scratch / "known_hosts"
        self._known.write_text(
            f"[{sight.host}]:{sight.port} {' '.join(sight.public_key.split()[:2])}\n"
        )

    def commands(self) -> None:
        """A command runs; one that leaves a door open behind it waits for somebody else."""
        self._say("An engineer runs a command on a machine.")
        answer = self._run(self._ssh("tail -n 2 shop.log"))
        self._expect(answer.returncode == 0 and b"orders" in answer.stdout, "it answers", answer)
        self._say("   …and one that would let somebody in around the gateway, until she gives up:")
        answer = self._given_up(self._ssh("echo ssh-ed25519 AAAA >> ~/.ssh/authorized_keys"))
        self._expect(self._waited(answer), "it waited, and nothing was written", answer)

    def shells(self) -> None:
        """A shell opens in a terminal; not for somebody whom no rule lets in."""
        self._say("The same engineer opens a shell.")
        answer = self._in_terminal(self._ssh("", "-t"), b"echo shell-$((40+2)); exit 5\r")
        held = answer.returncode == 5 and b"shell-42" in answer.stdout  # noqa: PLR2004 - what was typed
        self._expect(held, "the shell answers and its status comes back", answer)
        self._say("   …and so does somebody whom no rule lets in:")
        answer = self._run(self._ssh("", "-T", stranger=True), b"echo shell-$((40+2))\n")
        refused = answer.returncode != 0 and b"shell-42" not in answer.stdout
        self._expect(refused, "that one is turned away", answer)

    def files(self) -> None:
        """A file is fetched; one that would open a door is not put before somebody else agrees."""
        self._say("A file is fetched with sftp.")
        near = self._scratch / "README"
        answer = self._run(self._sftp(), f"get README {near}\n".encode())
        self._expect(answer.returncode == 0 and near.exists(), "it arrives", answer)
        self._say("   …and one is put where keys are kept:")
        batch = f"-mkdir .ssh\nput {near} .ssh/authorized_keys\n".encode()
        answer = self._given_up(self._sftp(), batch)
        self._expect(self._waited(answer), "it waited, and no file is there", answer)

    def tunnels(self) -> None:
        """A tunnel reaches a service on the machine; none reaches a database past the recorder."""
        self._say("A tunnel to a service that listens on the machine.")
        with _greeting() as service:
            found, answer = self._through_tunnel(service)
        self._expect(found == b"hello\n", "the service answers through it", answer)
        self._say("   …and one to the database, around everything that is recorded:")
        found, answer = self._through_tunnel(self._sight.database_port)
        self._expect(found == b"", "it is refused", answer)

    def _ssh(self, command: str, *options: str, stranger: bool = False) -> list[str]:
        sight = self._sight
        login, key = (
            (sight.stranger, sight.stranger_key) if stranger else (sight.login, sight.key)
        )
        line = ["ssh", *self._options("-p", key), *options, "-l", login, sight.host]
        return [*line, command] if command else line

    def _sftp(self) -> list[str]:
        sight = self._sight
        options = self._options("-P", sight.key)
        return ["sftp", "-q", *options, "-b", "-", f"{sight.login}@{sight.host}"]

    def _options(self, port: str, key: Path) -> list[str]:
        return [
            "-F", os.devnull, port, str(self._sight.port), "-i", str(key), "-o", "BatchMode=yes",
            "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR",
            "-o", f"UserKnownHostsFile={self._known}", "-o", f"ConnectTimeout={_STEP_S}",
        ]  # fmt: skip

    def _run(self, command: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        answer = subprocess.run(  # noqa: S603 - OpenSSH's clients with our own arguments
            command, input=stdin, capture_output=True, timeout=_STEP_S, check=False
        )
        self._show(command, stdin, answer.stdout + answer.stderr)
        return answer

    def _given_up(
        self, command: list[str], stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """End it as soon as it is told that it waits; what it said, to its end if it did not wait."""
        process = subprocess.Popen(  # noqa: S603 - the same
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        give_up = threading.Timer(_STEP_S, process.kill)
        give_up.start()
        said = b""
        try:
            if process.stdin is None or process.stderr is None:
                raise SshTourFailed("the client did not start")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.close()
            for line in process.stderr:
                said += line
                if _WAITING in line:
                    break
        finally:
            process.kill()
            process.wait()
            give_up.cancel()
        if process.stderr is not None:
            process.stderr.close()
        self._show(command, stdin, said)
        return subprocess.CompletedProcess(command, process.returncode, b"", said)

    def _waited(self, answer: subprocess.CompletedProcess[bytes]) -> bool:
        """Whether it was told to wait, and wrote no keys."""
        left = (self._sight.home / ".ssh" / "authorized_keys").exists()
        return _WAITING in answer.stderr and not left

    def _in_terminal(self, command: list[str], typed: bytes) -> subprocess.CompletedProcess[bytes]:
        """Type into the command's terminal, and read what it shows to the end."""
        ours, theirs = pty.openpty()
        deadline, seen = time.monotonic() + _STEP_S, b""
        with contextlib.closing(os.fdopen(ours, "rb", buffering=0)):
            process = subprocess.Popen(  # noqa: S603 - the same
                command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
            os.close(theirs)
            os.write(ours, typed)
            with contextlib.suppress(OSError):  # EIO: the client is gone
                while time.monotonic() < deadline:
                    if select.select([ours], [], [], 0.2)[0]:
                        data = os.read(ours, 65536)
                        if not data:
                            break
                        seen += data
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._show(command, typed, seen)
        return subprocess.CompletedProcess(command, process.returncode, seen, b"")

    def _through_tunnel(self, port: int) -> tuple[bytes, subprocess.CompletedProcess[bytes]]:
        """What the far end says first, through `-L`; nothing where the tunnel is refused."""
        near = free_port()
        command = self._ssh("", "-N", "-L", f"{near}:{HOST}:{port}")
        process = subprocess.Popen(command, stderr=subprocess.PIPE)  # noqa: S603 - the same
        found = b""
        try:
            deadline = time.monotonic() + _STEP_S
            while time.monotonic() < deadline and process.poll() is None:
                with contextlib.suppress(ConnectionRefusedError):
                    found = _first_words(near)
                    break
                time.sleep(0.05)
        finally:
            process.kill()  # told to terminate, it may first wait for a word of the other end
            _, errors = process.communicate(timeout=_STEP_S)
        self._show(command, b"", found + errors)
        return found, subprocess.CompletedProcess(command, process.returncode, found, errors)

    def _show(self, command: list[str], stdin: bytes, output: bytes) -> None:
        words = command[command.index("-l") + 3 :] if "-l" in command else []
        if "-L" in command:
            words = ["-N", "-L", command[command.index("-L") + 1]]
        told = " ".join(words) or stdin.decode(errors="replace").strip().replace("\n", "; ")
        self._say(f"   $ {command[0]} … {told}".rstrip())
        for line in output.decode(errors="replace").splitlines()[:_SHOWN_LINES]:
            self._say(f"   | {_plain(line)}")

    def _expect(
        self, held: bool, promise: str, answer: subprocess.CompletedProcess[bytes]
    ) -> None:
        if not held:
            said = (answer.stdout + answer.stderr)[-800:]
            raise SshTourFailed(
                f"the tour stopped: expected that {promise}", cause=f"exit {answer.returncode}: {said!r}"
            )
        self._say(f"   ● {promise}")


def _plain(line: str) -> str:
    """Without what a terminal would act on."""
    return "".join(character for character in line if character.isprintable())


def _first_words(port: int) -> bytes:
    with socket.create_connection((HOST, port), timeout=_STEP_S) as connection:
        try:
            return connection.recv(64)
        except ConnectionResetError:
            return b""


@contextlib.contextmanager
def _greeting() -> Iterator[int]:
    """The port of a service that says hello to whoever comes, once."""
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "while True: c, _ = s.accept(); c.sendall(b'hello\\n'); c.close()"
    )
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own words
        [sys.executable, "-c", code], stdout=subprocess.PIPE
    )
    try:
        if process.stdout is None:
            raise SshTourFailed("the service did not start")
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
