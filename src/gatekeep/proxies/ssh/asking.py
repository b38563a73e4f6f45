"""What a channel asks for, as one action for the gate, and the way that its bytes then take.

Reads; decides nothing. Files and scripts are told apart from other commands here, strictly: only a
single command of literal words is one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from gatekeep.domain.commands import (
    EXEC,
    OPAQUE,
    SHELL,
    Assurance,
    CommandFacts,
    SshAction,
    TunnelFacts,
)
from gatekeep.protocols.ssh.commands.transfers import recognise_transfer
from gatekeep.protocols.ssh.files import scp_records
from gatekeep.protocols.ssh.files.scp import ScpConversation
from gatekeep.protocols.ssh.files.scp_files import command_action
from gatekeep.protocols.ssh.files.sftp import SftpConversation
from gatekeep.proxies.ssh.ends import ClientEnd
from gatekeep.proxies.ssh.files import FileConversation
from gatekeep.proxies.ssh.pinned_files import PinnedFile, pinned_action
from gatekeep.proxies.ssh.scripts import Gathered, gather, reads_a_script
from gatekeep.proxies.ssh.understanding import CommandReader

SFTP: Final = "sftp"

ReadFile = Callable[[str, dict[str, Any]], Awaitable[PinnedFile | None]]

_SERVING: Final = frozenset({"-t", "-f"})

#: Programs that are trusted to be what they are called; elsewhere they are judged as commands, too.
_TRUSTED: Final = frozenset(
    f"{place}{name}"
    for name, places in (
        ("scp", ("", "/bin/", "/usr/bin/")),
        ("sftp-server", ("/usr/lib/openssh/", "/usr/libexec/openssh/", "/usr/libexec/", "/usr/lib/ssh/")),
    )
    for place in places
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One action, what came of standard input so far, and who understands the files in it."""

    action: SshAction
    gathered: Gathered | None = None
    files: FileConversation | None = None
    pinned: PinnedFile | None = None


async def asked_of(
    end: ClientEnd,
    reader: CommandReader,
    login_shell: str,
    details: dict[str, Any],
    read_file: ReadFile | None = None,
) -> Asked:
    """What this channel asks for. `details` go into the event; `read_file` reads script files."""
    if end.kind == "subsystem":
        fact = CommandFacts(OPAQUE, end.text, (end.text,))
        return Asked(_action("subsystem", end.text, (fact,), details))
    if end.kind == "shell":
        if end.terminal is None:
            return await _script(end, reader, login_shell, _Command(details))
        return Asked(_action("shell", "", (CommandFacts(SHELL),), details))
    return await _exec(end, reader, login_shell, details, read_file)


async def _exec(
    end: ClientEnd,
    reader: CommandReader,
    login_shell: str,
    details: dict[str, Any],
    read_file: ReadFile | None,
) -> Asked:
    """One command: files, a script, or what its words say."""
    reading = await reader.read(
        end.text, EXEC, login_shell, terminal=end.terminal is not None
    )
    transfer = _transfer(end.text, reading.facts, details)
    if transfer is not None:
        # A terminal on the way would change what was judged, and nobody moves files over one.
        end.terminal = None
        details["pty"] = ""
        return transfer
    if end.terminal is None and reads_a_script(reading.facts):
        command = _Command(details, reading.facts, reading.redacted)
        return await _script(end, reader, login_shell, command)
    if end.terminal is None and read_file is not None and len(reading.facts) == 1:
        file = await read_file(end.text, details)
        if file is not None and isinstance(own := reading.facts[0], CommandFacts):
            action = await pinned_action((end.text, reading.redacted), own, file, reader, details)
            return Asked(action, pinned=file)
    action = _action("exec", end.text, reading.facts, details)
    return Asked(replace(action, redacted=reading.redacted, resolved=reading.resolved))


def _transfer(
    text: str, facts: tuple[CommandFacts, ...], details: dict[str, Any]
) -> Asked | None:
    """An exec that only moves files, with who reads the protocol in it."""
    found = recognise_transfer(text)
    if found is None or len(facts) != 1:
        return None
    # By the text itself: the facts name a program without its directory.
    trusted = text.split(maxsplit=1)[0] in _TRUSTED
    if found.kind == SFTP:
        action = _action("exec", text, facts, details)
        return Asked(action, files=SftpConversation())
    command = scp_records.read_command(facts[0].argv) if found.kind == "scp" else None
    if command is None:
        return None
    action = command_action(command, text)
    judged = action.facts if trusted else (*facts, *action.facts)
    action = replace(action, facts=judged, details={**details, **action.details})
    return Asked(action, files=ScpConversation(command))


def moves_files_unseen(facts: tuple[CommandFacts | TunnelFacts, ...]) -> bool:
    """Whether a server of files is among the commands, so that nobody would judge its operations."""
    return any(
        isinstance(one, CommandFacts)
        and ("sftp_server" in one.tags or (one.program == "scp" and not _SERVING.isdisjoint(one.flags)))
        for one in facts
    )


@dataclass(frozen=True, slots=True)
class _Command:
    """The command that a script is given to, if one was named."""

    details: dict[str, Any]
    facts: tuple[CommandFacts, ...] = ()
    redacted: str = ""


async def _script(
    end: ClientEnd, reader: CommandReader, login_shell: str, command: _Command
) -> Asked:
    """A shell's standard input, as one item: exactly these bytes, or nothing that is known."""
    gathered = await gather(end)
    facts, text, shown = await gathered.facts(reader, login_shell)
    details = command.details
    details["script_sha256"] = gathered.digest
    details["script_bytes"] = len(gathered.data)
    exact = f"{end.text}\0".encode() + bytes(gathered.data)
    action = SshAction(
        "script",
        f"{end.text}\n{text}".strip(),
        (*command.facts, *facts),
        f"{command.redacted}\n{shown}".strip() or "(a shell without a terminal)",
        hashlib.sha256(exact).hexdigest(),
        Assurance.EXACT if gathered.whole else Assurance.OPAQUE,
        resolved=gathered.whole,
        details=details,
    )
    return Asked(action, gathered)


def _action(
    mode: str, text: str, facts: tuple[CommandFacts, ...], details: dict[str, Any]
) -> SshAction:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return SshAction(mode, text, facts, digest=digest, details=details)
