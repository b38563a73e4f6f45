"""The demo's SSH target: a real shell behind asyncssh, on loopback, for one key and one account.

Run as a process of its own: `python -m gatekeep.demo.ssh_target DIRECTORY PORT`. It prints its port
and ends when its standard input does. Only the demo's gateway has its key; it runs as whoever runs
the demo, so it is a toy and no way to serve a machine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import asyncssh

from gatekeep.demo import ssh_session
from gatekeep.demo.embedded import HOST

ACCOUNT: Final = "deploy"
HOST_KEY: Final = "host_key"
AUTHORIZED: Final = "authorized_keys"
HOME: Final = "home"
_LOGIN_S: Final = 20
_ARGUMENTS: Final = 3


class Door(asyncssh.SSHServer):
    """Lets one account in, by the keys in one file, and forwards to loopback only."""

    def __init__(self, authorized: Path) -> None:
        self._authorized = authorized
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Remember the connection: keys are set on it once a name is known."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Everybody must sign in; other names have no keys."""
        if username == ACCOUNT and self._connection is not None:
            self._connection.set_authorized_keys(str(self._authorized))
        return True

    def connection_requested(
        self,
        dest_host: str,
        dest_port: int,  # noqa: ARG002 - the library's signature
        orig_host: str,  # noqa: ARG002 - the same
        orig_port: int,  # noqa: ARG002 - the same
    ) -> bool:
        """Tunnels lead to loopback."""
        return _is_loopback(dest_host)

    def server_requested(
        self,
        listen_host: str,
        listen_port: int,  # noqa: ARG002 - the library's signature
    ) -> bool:
        """It listens on loopback."""
        return _is_loopback(listen_host)


class Files(asyncssh.SFTPServer):
    """Files of the machine; tells its exit status, without which scp counts itself as failed."""

    def exit(self) -> None:
        """The client is done."""
        self.channel.exit(0)


def _is_loopback(written: str) -> bool:
    """Plain spellings only: the gateway in front sends no others."""
    try:
        return written == "localhost" or ip_address(written).is_loopback
    except ValueError:
        return False


def shell() -> str:
    """The shell that people get: bash where there is one."""
    return shutil.which("bash") or "/bin/sh"


async def listen(directory: Path, port: int) -> asyncssh.SSHAcceptor:
    """Serve what lies in `directory`: host key, authorized keys, home. Raises OSError."""
    home, program = directory / HOME, shell()

    async def session(process: asyncssh.SSHServerProcess[Any]) -> None:
        await ssh_session.serve(process, program, home, ACCOUNT)

    return await asyncssh.listen(
        HOST, port, server_factory=lambda: Door(directory / AUTHORIZED),
        server_host_keys=[str(directory / HOST_KEY)], process_factory=session, encoding=None,
        sftp_factory=Files, allow_scp=True, line_editor=False, agent_forwarding=False,
        x11_forwarding=False, password_auth=False, kbdint_auth=False, login_timeout=_LOGIN_S,
    )  # fmt: skip


async def _run(directory: Path, port: int) -> None:
    os.chdir(directory / HOME)  # where relative file names begin
    acceptor = await listen(directory, port)
    sys.stdout.write(f"{acceptor.get_port()}\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    acceptor.close()


def main(arguments: Sequence[str]) -> int:
    """Serve until standard input ends."""
    if len(arguments) != _ARGUMENTS:
        sys.stderr.write("usage: python -m gatekeep.demo.ssh_target DIRECTORY PORT\n")
        return 2
    try:
        asyncio.run(_run(Path(arguments[1]), int(arguments[2])))
    except (OSError, ValueError, asyncssh.Error) as error:
        sys.stderr.write(f"gatekeep: the demo's SSH target did not start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
