"""A real OpenSSH sshd on loopback, as the account that runs the tests. One for each test.

`options` are lines of sshd_config that come first, so that they win.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.postgres_server import free_port
from support.ssh_door import keygen, new_key, public_line

SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True)
class SmallSshd:
    """Where it listens, whom it lets in, and with what."""

    port: int
    folder: Path
    account: str
    host_key: str
    login_key: Path
    log: Path


@asynccontextmanager
async def small_sshd(
    folder: Path, *options: str, kinds: Sequence[str] = ("ed25519",), port: int = 0
) -> AsyncIterator[SmallSshd]:
    """Start it, wait until it answers, and stop it."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keys = [
        folder / f"host_{kind}" if (folder / f"host_{kind}").exists()
        else new_key(folder, f"host_{kind}", kind)
        for kind in kinds
    ]  # fmt: skip
    login = folder / "login"
    if not login.exists():
        new_key(folder, "login")
    (folder / "authorized").write_text(public_line(login) + "\n")
    port = port or free_port()
    lines = [
        *options, "UsePAM no", "StrictModes no", "PasswordAuthentication no",
        f"AuthorizedKeysFile {folder}/authorized", f"PidFile {folder}/pid", "PermitRootLogin yes",
        f"Port {port}", "ListenAddress 127.0.0.1", *(f"HostKey {key}" for key in keys),
    ]  # fmt: skip
    (folder / "config").write_text("\n".join(lines) + "\n")
    log = folder / "log"
    with log.open("wb") as stream:
        running = await asyncio.create_subprocess_exec(
            SSHD, "-D", "-e", "-f", folder / "config", stdout=stream, stderr=stream
        )
    try:
        await _answers(port, running, log)
        yield SmallSshd(port, folder, getpass.getuser(), public_line(keys[0]), login, log)
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


def host_certificate(folder: Path, key: Path, *arguments: str) -> str:
    """Sign a host key; the line of the CA that did."""
    authority = new_key(folder, "ca")
    keygen("-s", authority, "-I", "host", "-h", *arguments, f"{key}.pub")
    return public_line(authority)


def agent_with(folder: Path, key: Path) -> tuple[str, int]:
    """An ssh-agent that holds a key: its socket and its process."""
    place = str(folder / "agent.sock")
    told = subprocess.run(
        ["ssh-agent", "-a", place], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    environment = {"SSH_AUTH_SOCK": place, "PATH": os.environ["PATH"]}
    subprocess.run(
        ["ssh-add", "-q", key], check=True, env=environment, timeout=30, capture_output=True
    )
    found = re.search(r"SSH_AGENT_PID=(\d+)", told)
    assert found is not None
    return place, int(found[1])


async def _answers(port: int, running: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            assert running.returncode is None, log.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
