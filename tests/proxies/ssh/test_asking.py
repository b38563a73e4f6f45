"""What a channel asks for is read as one action, and files are told apart from commands strictly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gatekeep.domain.commands import CommandFacts
from gatekeep.protocols.ssh.files.scp import ScpConversation
from gatekeep.protocols.ssh.files.sftp import SftpConversation
from gatekeep.proxies.ssh.asking import Asked, asked_of
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.runtime.offload import Offload


async def asked(text: str, *, kind: str = "exec", terminal: Any = None) -> Asked:
    """What a channel of this kind asks for."""
    end: Any = SimpleNamespace(kind=kind, text=text, terminal=terminal)
    return await asked_of(end, CommandReader(Offload()), "bash", {})


def actions(found: Asked) -> list[str]:
    """The Cedar actions, in order."""
    return [fact.action for fact in found.action.facts]


async def test_a_command_is_exact_and_every_simple_command_counts() -> None:
    """Also those behind a semicolon, in a substitution and in a wrapper."""
    found = await asked("ls; sudo rm -rf $(cat list)")
    programs = {fact.program for fact in found.action.facts if isinstance(fact, CommandFacts)}
    assert {"ls", "sudo", "rm", "cat"} <= programs
    assert found.action.assurance == "exact"
    assert found.files is None


@pytest.mark.parametrize("text", ["scp -t /srv/x", "/usr/bin/scp -f /srv/x"])
async def test_scp_is_files_and_nothing_else(text: str) -> None:
    """Judged as what it moves; its records are read."""
    found = await asked(text)
    assert isinstance(found.files, ScpConversation)
    assert actions(found) in (["sftp.write"], ["sftp.read"])


@pytest.mark.parametrize(
    "text",
    ["/tmp/scp -t /srv/x", "./scp -f x", "/home/alice/bin/sftp-server", "(scp -t x)", '"scp" -t x'],  # noqa: S108 - a name, no file
)
async def test_a_program_that_only_bears_the_name_is_judged_as_a_command_too(text: str) -> None:
    """Whoever can write there can put anything in its place."""
    assert "ssh.exec" in actions(await asked(text))


@pytest.mark.parametrize(
    "text", ["scp -t x; rm -rf /", "scp -t x > /etc/passwd", "scp -t $x", "A=b scp -t x"]
)
async def test_what_is_more_than_a_transfer_is_a_command(text: str) -> None:
    """One word more, and it is no transfer."""
    found = await asked(text)
    assert found.files is None
    assert "ssh.exec" in actions(found)


async def test_an_sftp_server_as_a_command_is_read_as_sftp() -> None:
    """`sftp -s` is no way around the decisions over files."""
    found = await asked("/usr/lib/openssh/sftp-server")
    assert isinstance(found.files, SftpConversation)


async def test_a_transfer_loses_its_terminal() -> None:
    """On the way a terminal would change the bytes that were judged; nobody moves files over one."""
    end: Any = SimpleNamespace(kind="exec", text="scp -t x", terminal=("xterm", (80, 24, 0, 0)))
    found = await asked_of(end, CommandReader(Offload()), "bash", {})
    assert found.files is not None
    assert end.terminal is None


async def test_subsystems_but_sftp_are_opaque_and_shells_are_shells() -> None:
    """Nothing is known of what they will say."""
    assert actions(await asked("netconf", kind="subsystem")) == ["ssh.opaque"]
    shell = await asked("", kind="shell", terminal=("xterm", (80, 24, 0, 0)))
    assert actions(shell) == ["ssh.shell"]
