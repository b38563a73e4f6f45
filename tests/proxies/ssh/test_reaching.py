"""A session's way to its target: a changed key is told with both fingerprints, a first one is durable."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from support import builders
from support.ssh_story import TargetServer

from gatekeep.domain.targets import Account, SshWay, Target, TargetKind
from gatekeep.identity.hostkeys import HostkeyFile
from gatekeep.proxies.ssh.reaching import Reaching, Unreached

HOST, OTHER, LOGIN = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))


class Told:
    """A session that remembers what was recorded of it."""

    def __init__(self, target: Target) -> None:
        self.live = SimpleNamespace(session=builders.session(target=target, account="deploy"))
        self.noted: list[tuple[str, dict[str, Any]]] = []
        self.durable: list[str] = []
        self.lost = 0

    def note(self, kind: str, payload: dict[str, Any]) -> None:
        """A fact."""
        self.noted.append((kind, payload))

    async def record_fact(self, kind: str, payload: dict[str, Any]) -> None:
        """A fact that was waited for."""
        self.durable.append(kind)

    def target_lost(self, why: str) -> None:
        """The connection is gone."""
        self.lost += 1


class Book:
    """Reads the account's key."""

    def secret(self, reference: str) -> str:
        """The private key."""
        return LOGIN.export_private_key().decode()


async def reach(tmp_path: Path, **ssh: Any) -> tuple[Told, asyncssh.SSHClientConnection]:
    """Dial a target that shows HOST."""
    listening = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=TargetServer, server_host_keys=[HOST]
    )
    async with listening:
        target = Target(
            "web-1", TargetKind.SSH, "127.0.0.1", listening.get_port(),
            accounts={"deploy": Account("deploy", key="env:K")}, ssh=SshWay(**ssh),
        )  # fmt: skip
        told = Told(target)
        connection = await Reaching(Book(), HostkeyFile(tmp_path / "pins")).connect(told)
        connection.close()
        await connection.wait_closed()
        return told, connection


def line(key: asyncssh.SSHKey) -> str:
    """As targets.yaml has it."""
    return key.export_public_key().decode().strip()


async def test_the_lines_name_what_is_known_and_what_was_shown(tmp_path: Path) -> None:
    """For the client, who can ask the target's owner, and for the record."""
    with pytest.raises(Unreached) as refused:
        await reach(tmp_path, host_keys=(line(OTHER),))
    text = "\n".join(refused.value.lines)
    assert OTHER.get_fingerprint() in text
    assert HOST.get_fingerprint() in text


async def test_a_first_key_is_durable_before_it_is_believed(tmp_path: Path) -> None:
    """The event first, then the pin, then the sign-in."""
    told, _connection = await reach(tmp_path, first_use=True)
    assert told.durable == ["hostkey.accepted"]
    assert told.lost == 1
