"""An SSH door that is a sign-in and nothing behind it: it says who came in. With real keys.

Real proofs, lock-outs and folds; the directory is the one of the Postgres door's tests.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from support.clock import MovedClock
from support.door import People

from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.principals import principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_proofs import SshProofBook
from gatekeep.identity.totp import STEP_S, code_at
from gatekeep.proxies.folding import Folded, FoldedEvents
from gatekeep.proxies.ssh.front import FrontAuth, FrontPorts, Introduced, sign_in_options
from gatekeep.proxies.ssh.token_checks import TokenChecks
from gatekeep.runtime.offload import Offload

CODE_SECRET = b"12345678901234567890"
IN_BASE32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
BANNER = "gatekeep: sessions here are recorded"


def keygen(*arguments: str | Path) -> None:
    """Run ssh-keygen."""
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, timeout=30)


def new_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    """A private key without pass phrase; its public half lies beside it as `.pub`."""
    keygen("-t", kind, "-N", "", "-C", name, "-f", folder / name)
    return folder / name


def public_line(key: Path) -> str:
    """The public half, one line."""
    return key.with_name(key.name + ".pub").read_text().strip()


class Stub(asyncssh.SSHServerSession[bytes]):
    """Says who is there and ends."""

    def __init__(self, front: StubDoor) -> None:
        self._front = front
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """The command is part of the answer."""
        self._command = command
        return True

    def shell_requested(self) -> bool:
        """No command."""
        self._command = ""
        return True

    def session_started(self) -> None:
        """One line on stdout, exit 0."""
        who = self._front.introduced
        assert who is not None
        assert self._channel is not None
        line = f"{who.principal.name} {who.method} {who.login.account}@{who.login.target}"
        self._channel.write(f"{line} [{self._command}]\n".encode())
        self._channel.exit(0)


class StubDoor(FrontAuth):
    """The front with a stub behind it."""

    def __init__(self, ports: FrontPorts, world: SshWorld, source: str) -> None:
        super().__init__(ports, source)
        self._world = world

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Known to the test."""
        super().connection_made(conn)
        self._world.fronts.append(self)
        self._world.connections.append(conn)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        """Whoever gets here was introduced."""
        assert self.introduced is not None
        return self._world.session(self)

    def server_requested(self, listen_host: str, listen_port: int) -> Awaitable[bool]:
        """An answer that never comes."""
        return asyncio.get_running_loop().create_future()

    def unknown_request(self, place: str, name: str) -> None:
        """Told."""
        self._world.reports.append(f"{place} {name}")

    def refused_open(self, kind: str, reason: str) -> None:
        """Told."""
        self._world.reports.append(f"open {kind}: {reason}")

    def callback_fault(self, error: BaseException) -> None:
        """Told."""
        self._world.reports.append(f"fault {error}")


@dataclass
class SshWorld:
    """A door that listens, and everything that a test looks at."""

    port: int
    folder: Path
    clock: MovedClock
    noted: list[Folded]
    folds: FoldedEvents
    fronts: list[StubDoor] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    session: Callable[[StubDoor], asyncssh.SSHServerSession[bytes]] = Stub
    reports: list[str] = field(default_factory=list)

    @property
    def introduced(self) -> list[Introduced]:
        """Everybody who came in."""
        return [front.introduced for front in self.fronts if front.introduced is not None]

    def causes(self) -> list[tuple[str, str, str, int]]:
        """Kind, cause, principal and count of what was noted."""
        self.folds.flush(everything=True)
        return [(str(one.kind), one.cause, one.principal, one.count) for one in self.noted]

    def code(self, steps: int = 0) -> str:
        """What the telephone of somebody with a second factor shows."""
        return code_at(CODE_SECRET, self.clock.wall_us() // 1_000_000 // STEP_S + steps)

    async def connect(self, key: Path) -> asyncssh.SSHClientConnection:
        """A client that can be made to misbehave."""
        return await asyncssh.connect(
            "127.0.0.1", self.port, username="alice", client_keys=[str(key)], known_hosts=None,
            config=None, agent_path=None, encoding=None,
        )  # fmt: skip

    async def ssh(
        self, login: str, *options: str, key: Path | None = None, password: str = "", code: str = ""
    ) -> Said:
        """Run OpenSSH's client against the door with `whoami` as the command."""
        arguments = [
            "ssh", *options, "-F", "none", "-p", str(self.port), "-o", "StrictHostKeyChecking=no",
            "-o", f"UserKnownHostsFile={self.folder}/known", "-o", "IdentitiesOnly=yes",
            "-o", "IdentityAgent=none", "-o", f"NumberOfPasswordPrompts={1 if password else 3}",
        ]  # fmt: skip
        arguments += ["-i", str(key)] if key is not None else []
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        if password or code:
            environment |= _answering(self.folder, password, code)
        else:
            arguments += ["-o", "BatchMode=yes"]
        running = await asyncio.create_subprocess_exec(
            *arguments, "-l", login, "127.0.0.1", "whoami",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=environment,
        )  # fmt: skip
        out, err = await asyncio.wait_for(running.communicate(), 30)
        return Said(running.returncode or 0, out.decode(), err.decode(errors="replace"))


@dataclass(frozen=True)
class Said:
    """What a client printed, and how it ended."""

    status: int
    out: str
    err: str


def _answering(folder: Path, password: str, code: str) -> dict[str, str]:
    """An SSH_ASKPASS that knows the token and the code."""
    script = folder / "askpass"
    script.write_text(
        f"#!/bin/sh\ncase \"$1\" in *[Cc]ode*) echo '{code}';; *) echo '{password}';; esac\n"
    )
    script.chmod(0o700)
    return {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}


@asynccontextmanager
async def ssh_door(
    folder: Path,
    people: Sequence[dict[str, object]],
    *,
    authorities: tuple[str, ...] = (),
    answer_every_key: bool = False,
    **tokens: str,
) -> AsyncIterator[SshWorld]:
    """A door on loopback; `people` are items of principals.yaml, `tokens` those by name."""
    clock = MovedClock()
    noted: list[Folded] = []
    folds = FoldedEvents(clock, noted.append)
    entries = principals_of({"principals": list(people)}, "principals.yaml")
    names = {entry.principal.name: "never to be guessed" for entry in entries}
    offload = Offload()
    ports = FrontPorts(
        directory=People(**(names | tokens)),
        proofs=SshProofBook(entries, SecretReader({"CODES": IN_BASE32}), clock),
        lock_outs=LockOutBook(clock, limit=3),
        folds=folds,
        tokens=TokenChecks(offload),
        now_us=clock.wall_us,
        authorities=lambda: authorities,
        banner=BANNER,
        answer_every_key=answer_every_key,
    )
    world = SshWorld(0, folder, clock, noted, folds)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[host_key], login_timeout=20,
        server_factory=lambda: StubDoor(ports, world, "127.0.0.1"), **sign_in_options(),
    )  # fmt: skip
    world.port = acceptor.get_port()
    try:
        yield world
    finally:
        acceptor.close()
        for connection in world.connections:
            connection.abort()
        await asyncio.gather(*(one.wait_closed() for one in world.connections))
        await acceptor.wait_closed()
        offload.close()
