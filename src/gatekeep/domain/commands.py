"""Actions over SSH: commands, lines, file operations and tunnels, and what is known about them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SHELL: Final = "ssh.shell"
EXEC: Final = "ssh.exec"
LINE: Final = "ssh.line"
OPAQUE: Final = "ssh.opaque"
SFTP_READ: Final = "sftp.read"
SFTP_WRITE: Final = "sftp.write"
SFTP_DELETE: Final = "sftp.delete"
SFTP_ADMIN: Final = "sftp.admin"
TUNNEL_OPEN: Final = "tunnel.open"
TUNNEL_LISTEN: Final = "tunnel.listen"
AGENT_FORWARD: Final = "agent.forward"


class Assurance(enum.StrEnum):
    """How surely it is known what will run; each word promises less than the one before.

    EXACT: these bytes are what the target gets. ATTESTED: the account's shell reported the line
    itself, through a hook of ours. INFERRED: read from the screen. OPAQUE: not known.
    """

    EXACT = "exact"
    ATTESTED = "attested"
    INFERRED = "inferred"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class CommandFacts:
    """What is known about one simple command, one file operation, or a shell as such.

    `action` is the Cedar action, such as `ssh.exec`. `program` is the command word as written,
    without its directory; `argv` the literal words, the program first; `flags` those that begin
    with a dash (`-rf` also as `-r` and `-f`); `paths` what names files, as written and normalised.
    `complete` is false where words are not literal or may hide more: a `forbid` that reads the
    sets then counts as matching.
    """

    action: str
    program: str = ""
    argv: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class TunnelFacts:
    """One tunnel, or one address that the target is to listen on (`tunnel.listen`).

    `destination` is the name as asked for, normalised, or the path of a socket (port 0);
    `address` what the gateway resolved it to and will dial, empty where the target resolves it.
    `resolved_by` is `gateway` or `target`.
    """

    action: str
    destination: str
    port: int
    address: str = ""
    resolved_by: str = "gateway"
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SshAction:
    """One thing asked for over SSH.

    `mode` is `shell`, `exec`, `script` (a shell's whole standard input), `line`, `subsystem`,
    `sftp`, `scp`, `tunnel`, `listen` or `agent`. `text` is what was sent, which only the target
    sees; `redacted` the same with secrets replaced, safe for events. `digest` is the SHA-256 (hex)
    of the exact bytes. All of `facts` must be permitted; a parse that failed leaves one fact of
    `ssh.opaque`. `resolved` is false where a line could not be read for sure. `tags` are those of
    the action as a whole; `details` go into the event as they are (`channel`, `pty`, `env` …).
    """

    mode: str
    text: str
    facts: tuple[CommandFacts | TunnelFacts, ...]
    redacted: str = ""
    digest: str = ""
    assurance: Assurance = Assurance.EXACT
    resolved: bool = True
    tags: frozenset[str] = frozenset()
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The text for people: redacted where that was worked out."""
        return self.redacted or self.text
