"""The sign-in behind the jump host: accounts only, never a password, host certificates by alias."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from support.clock import MovedClock

from gatekeep.identity.ssh_keys import AliasCertificates, ensure_ssh_keys
from gatekeep.proxies.ssh.front import sign_in_options
from gatekeep.proxies.ssh.inner import InnerAuth


class Answer(asyncssh.SSHServerSession[bytes]):
    """Says which account was named."""

    def __init__(self, account: str) -> None:
        self._account = account

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Whatever it is."""
        return True

    def session_started(self) -> None:
        """One line, exit 0."""
        self._channel.write(self._account.encode() + b"\n")
        self._channel.exit(0)


class Inner(InnerAuth):
    """With a session that answers."""

    def session_requested(self) -> Answer:
        """Whoever is in."""
        return Answer(self.account)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """What a client meets inside its channel, on a port of its own; and a known_hosts file."""
    keys = ensure_ssh_keys(tmp_path / "keys")
    clock = MovedClock(wall=time.time_ns() // 1000)
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Inner, **sign_in_options(),
        server_host_keys=[AliasCertificates(keys, clock).shown_for("web-1")],
    )  # fmt: skip
    (tmp_path / "known").write_text(keys.authority_line + "\n")
    yield acceptor.get_port(), tmp_path / "known"
    acceptor.close()
    await acceptor.wait_closed()


async def ssh(door: tuple[int, Path], login: str, *options: str) -> tuple[int, str, str]:
    """OpenSSH, as it goes through a jump host."""
    running = await asyncio.create_subprocess_exec(
        "ssh", *options, "-F", "none", "-p", str(door[0]), "-o", "BatchMode=yes", "-o",
        f"UserKnownHostsFile={door[1]}", "-o", "HostKeyAlias=gatekeep.web-1", "-o",
        "StrictHostKeyChecking=yes", "-o", "IdentityAgent=none", "-l", login, "127.0.0.1", "any",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(running.communicate(), 30)
    return running.returncode or 0, out.decode(), err.decode()


async def test_an_account_comes_in(door: tuple[int, Path]) -> None:
    """Without a key: who it is was proven outside. The host is the alias that the CA vouches for."""
    status, out, err = await ssh(door, "Deploy_1")
    assert (status, out) == (0, "Deploy_1\n"), err


@pytest.mark.parametrize("login", ["bob+web-1", "root@web-1", "bob+root@web-1", ".x", "a b"])
async def test_nobody_else_is_named(door: tuple[int, Path], login: str) -> None:
    """A name that would be another principal or target is refused, and no password is asked for."""
    status, out, err = await ssh(door, login)
    assert (status, out) == (255, "")
    assert "Permission denied (publickey)" in err


async def test_another_alias_is_not_believed(door: tuple[int, Path]) -> None:
    """What we show for one target does not do for another."""
    status, _, err = await ssh(door, "deploy", "-o", "HostKeyAlias=gatekeep.web-2")
    assert status == 255
    assert "verification failed" in err
