"""Which files the records of scp are about, and the actions to be judged.

scp has no question for a name, so a record's path is what the command's words and the names before
it make of it; where that leaves two ways, both are judged.
"""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
from typing import Any, Final

from gatekeep.domain.commands import SFTP_READ, SFTP_WRITE, Assurance, CommandFacts, SshAction
from gatekeep.protocols.ssh.files.file_places import PRIVILEGE, place_tags
from gatekeep.protocols.ssh.files.scp_records import Broken, Entry, ScpCommand, Times
from gatekeep.protocols.ssh.files.sftp_names import is_text, shown

MOST_DEPTH: Final = 128
_GLOB: Final = frozenset("*?[")
_SPECIAL_BITS: Final = 0o6000


class Place:
    """Where in the tree of files a conversation stands."""

    __slots__ = ("_bases", "_command", "_home", "_parts", "_used")

    def __init__(self, command: ScpCommand, home: str) -> None:
        self._command = command
        self._home = home
        self._parts: list[bytes] = []
        self._bases: tuple[str, ...] = ()
        self._used: set[str] = set()

    @property
    def depth(self) -> int:
        """How many directories are open."""
        return len(self._parts)

    def enter(self, name: bytes) -> None:
        """A directory was begun."""
        self._parts.append(name)

    def leave(self) -> None:
        """It ended. Raises Broken where none is open."""
        if not self._parts:
            raise Broken("an end of a directory that did not begin")
        self._parts.pop()

    def admit(self, entry: Entry) -> None:
        """Whether an entry may come here at all. Raises Broken."""
        if entry.directory and not self._command.recursive:
            raise Broken("a directory that was not asked for")
        if len(self._parts) >= MOST_DEPTH:
            raise Broken("directories too deep")
        if not self._command.takes and not self._parts:
            self._match(shown(entry.name))

    def _match(self, name: str) -> None:
        """A first name that the target gives must be one that was asked for, once."""
        fitting = []
        for path in self._command.paths:
            last = posixpath.basename(path.rstrip("/"))
            if "{" in path or (not _GLOB.isdisjoint(last) and fnmatch.fnmatchcase(name, last)):
                fitting.append(path)
            elif last == name and path not in self._used:
                self._used.add(path)
                fitting.append(path)
        if not fitting:
            raise Broken("a file that was not asked for")
        self._bases = tuple(posixpath.dirname(path.rstrip("/")) for path in fitting)

    def paths(self, name: bytes) -> tuple[tuple[str, ...], bool]:
        """What an entry may be called on the target, the likeliest first; and whether that is all."""
        parts = [shown(part) for part in (*self._parts, name)]
        if self._command.takes:
            base = self._command.paths[0] or "."
            written = [posixpath.join(base, *parts)]
            if not self._command.directory:
                written.append(posixpath.join(base, *parts[1:]))
        else:
            written = [posixpath.join(base, *parts) for base in self._bases]
        complete = all(map(is_text, (*self._parts, name)))
        return tuple(written), complete and all(map(self._known, written))

    def _known(self, path: str) -> bool:
        if path.startswith("/"):
            return _GLOB.isdisjoint(path) and "{" not in path
        return bool(self._home) and not path.startswith("~")

    def spread(self, written: tuple[str, ...]) -> frozenset[str]:
        """Paths as written and normalised."""
        return spread(written, self._home)


def spread(written: tuple[str, ...], home: str) -> frozenset[str]:
    """Paths as written, and normalised from the home."""
    found = set(written)
    for path in written:
        from_home = path[2:] if path.startswith("~/") else "" if path == "~" else path
        normal = posixpath.normpath(posixpath.join(home, from_home))
        found.add(normal[1:] if normal.startswith("//") else normal)
    return frozenset(found)


def command_action(command: ScpCommand, text: str, *, home: str = "") -> SshAction:
    """The command as a whole, to be judged before it is started. `text` is the command as sent."""
    action = SFTP_WRITE if command.takes else SFTP_READ
    paths = spread(command.paths, home)
    known = all(path.startswith("/") or (home and not path.startswith("~")) for path in command.paths)
    globs = any(not _GLOB.isdisjoint(path) or "{" in path for path in command.paths)
    fact = CommandFacts(
        action,
        program="scp",
        argv=("scp", *command.paths),
        flags=frozenset({"-t" if command.takes else "-f"}),
        paths=paths,
        tags=place_tags(paths, reads=not command.takes, changes=command.takes),
        complete=known and not globs,
    )
    return SshAction(
        mode="scp",
        text=text,
        facts=(fact,),
        digest=hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
        assurance=Assurance.INFERRED,
        details={"operation": "scp", "recursive": command.recursive},
    )


def entry_action(
    command: ScpCommand, place: Place, entry: Entry, times: Times | None, raw: bytes
) -> SshAction:
    """One file or directory. `raw` are its records, for the digest."""
    written, complete = place.paths(entry.name)
    paths = place.spread(written)
    action = SFTP_WRITE if command.takes else SFTP_READ
    tags = place_tags(paths, reads=not command.takes and not entry.directory, changes=command.takes)
    if entry.mode & _SPECIAL_BITS and command.takes:
        tags |= {PRIVILEGE}
    if entry.directory:
        operation = "mkdir" if command.takes else "opendir"
    else:
        operation = "write" if command.takes else "read"
    details: dict[str, Any] = {"operation": operation, "permissions": f"{entry.mode:04o}"}
    if not entry.directory:
        details["size"] = entry.size
    if times is not None:
        details["times"] = [times.accessed, times.modified]
    fact = CommandFacts(
        action, program="scp", argv=("scp", *written[:1]), paths=paths, tags=tags, complete=complete
    )
    return SshAction(
        mode="scp",
        text=written[0],
        facts=(fact,),
        digest=hashlib.sha256(raw).hexdigest(),
        assurance=Assurance.INFERRED,
        details=details,
    )
