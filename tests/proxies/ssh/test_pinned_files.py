"""The action that a pinned file is: its command and its text, both without their secrets."""

from __future__ import annotations

import asyncio

from gatekeep.protocols.ssh.commands.command import read_command
from gatekeep.protocols.ssh.commands.pinning import pin, script_file
from gatekeep.proxies.ssh.pinned_files import PinnedFile, pinned_action
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.runtime.offload import Offload


def test_secrets_in_the_command_itself_are_not_in_the_record() -> None:
    """Not only those in the file."""
    line, content = "bash deploy.sh --password=hunter2", b"mysqldump -psesame db\n"
    file = script_file(line)
    assert file is not None
    pinned = pin(file, content, executable=True)
    assert pinned is not None
    read = read_command(line)
    (own,) = read.facts
    action = asyncio.run(
        pinned_action(
            (line, read.redacted), own, PinnedFile(pinned, content), CommandReader(Offload()), {}
        )
    )
    assert action.text.startswith(line)
    assert "deploy.sh" in action.redacted
    assert "hunter2" not in action.redacted
    assert "sesame" not in action.redacted
