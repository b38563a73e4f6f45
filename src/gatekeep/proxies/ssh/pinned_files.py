"""Script files on a target, read so that exactly their bytes are judged and run.

Only for targets whose owner wants it (`pin_files`). What cannot be read is judged as it always was:
a command that runs code which somebody may change.
"""

from __future__ import annotations

import asyncio
import hashlib
import stat
from dataclasses import dataclass, replace
from typing import Any, Final

import asyncssh

from gatekeep import messages
from gatekeep.domain.commands import EXEC, CommandFacts, SshAction
from gatekeep.errors import SettingsError, TargetFault
from gatekeep.protocols.ssh.commands.pinning import PINNED, Pinned, ScriptFile, pin, script_file
from gatekeep.proxies.ssh.session import SshSession
from gatekeep.proxies.ssh.understanding import CommandReader

LONGEST: Final = 256 * 1024
"""Bytes of a script; what is longer cannot be judged whole."""

_READ_S: Final = 5.0
_CHANGEABLE: Final = frozenset({"mutable_code", "opens_opaque", "reads_only"})


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """What is to be run in place of a file, and its bytes."""

    pinned: Pinned
    content: bytes


async def pinned_file(
    session: SshSession, line: str, details: dict[str, Any]
) -> PinnedFile | None:
    """The script file that a command line runs, read; `details` tell what came of it."""
    target = session.live.session.target
    if target.ssh is None or not target.ssh.pin_files or target.login_shell not in ("bash", "sh"):
        return None
    file = script_file(line)
    if file is None:
        return None
    try:
        content, executable = await asyncio.wait_for(_read(session, file), _READ_S)
    except (asyncssh.Error, OSError, TimeoutError, TargetFault, SettingsError, _UnfitError) as error:
        why = str(error) or "the target takes too long"
        details["not_pinned"] = messages.printable(why, 100)
        return None
    pinned = pin(file, content, executable=executable)
    if pinned is None:
        details["not_pinned"] = "not a script of bash or sh"
        return None
    digest = hashlib.sha256(content).hexdigest()
    details["pinned"] = {
        "bytes": len(content), "path": messages.printable(file.path, 200), "sha256": digest,
    }  # fmt: skip
    return PinnedFile(pinned, content)


class _UnfitError(Exception):
    """A file that is not read."""


async def _read(session: SshSession, file: ScriptFile) -> tuple[bytes, bool]:
    """Its bytes, and whether somebody may execute it."""
    connection = await session.target()
    async with connection.start_sftp_client() as sftp, sftp.open(file.path, "rb") as opened:
        attributes = await opened.stat()
        permissions = attributes.permissions or 0
        if not stat.S_ISREG(permissions):
            raise _UnfitError("not a regular file")
        content: bytes = await opened.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise _UnfitError("longer than 256 KiB")
        return content, bool(permissions & 0o111)


async def pinned_action(
    line: tuple[str, str],
    own: CommandFacts,
    file: PinnedFile,
    reader: CommandReader,
    details: dict[str, Any],
) -> SshAction:
    """The run of a pinned file as one action: the command, and everything in the file.

    `line` is the command as sent, and the same without secrets.
    """
    text, shown = line
    pinned = file.pinned
    reading = await reader.read(pinned.text, EXEC, pinned.interpreter, terminal=False)
    command = replace(own, tags=(own.tags - _CHANGEABLE) | {PINNED}, complete=True)
    exact = f"{pinned.line}\0".encode() + file.content
    return SshAction(
        "script",
        f"{text}\n{pinned.text}".rstrip(),
        (command, *reading.facts),
        f"{shown}\n{reading.redacted}".rstrip(),
        hashlib.sha256(exact).hexdigest(),
        resolved=reading.resolved,
        details=details,
    )
