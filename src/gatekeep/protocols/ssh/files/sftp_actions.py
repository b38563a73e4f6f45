"""From a request of sftp to what it asks for: operation, names, facts, and how it must be answered.

A table by packet type and by extension. Nothing is judged and nobody is asked here.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gatekeep.domain.commands import (
    SFTP_ADMIN,
    SFTP_DELETE,
    SFTP_READ,
    SFTP_WRITE,
    Assurance,
    CommandFacts,
    SshAction,
)
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.file_places import DESTRUCTIVE, PRIVILEGE, place_tags
from gatekeep.protocols.ssh.files.sftp_names import Name, shown

_SPECIAL_BITS: Final = 0o6000
_MODE_BITS: Final = 0o7777
#: What an extension is called by VERSION, and the version of it that is understood here.
EXTENSIONS: Final = {
    b"posix-rename@openssh.com": b"1", b"statvfs@openssh.com": b"2", b"fstatvfs@openssh.com": b"2",
    b"hardlink@openssh.com": b"1", b"fsync@openssh.com": b"1", b"lsetstat@openssh.com": b"1",
    b"limits@openssh.com": b"1", b"expand-path@openssh.com": b"1", b"copy-data": b"1",
    b"home-directory": b"1", b"users-groups-by-id@openssh.com": b"1",
}  # fmt: skip


class Unsupported(ValueError):  # noqa: N818 - what a request is, not a mistake of ours
    """A request that is never forwarded."""


class Does(NamedTuple):
    """One fact of an operation: the action, and which of its names it concerns.

    `opens` is true where contents become readable, or readable under another name.
    """

    action: str
    names: tuple[int, ...]
    opens: bool = False


class Plan(NamedTuple):
    """What a request asks for.

    `answers` is the type of packet that a success brings, 0 for a STATUS. `changes` is false for
    what only looks; `content` is true where a file's bytes may change by name. `handle` says for
    OPEN and OPENDIR what may be done with the handle: `r`, `w`, `a`, `d`.
    """

    operation: str
    names: tuple[Name, ...]
    does: tuple[Does, ...]
    answers: int = 0
    changes: bool = True
    content: bool = False
    handle: str = ""
    tags: frozenset[str] = frozenset()
    details: dict[str, Any] = {}  # noqa: RUF012 - never written to: a tuple has no factory


def plan_request(kind: int, fields: p.Fields) -> Plan:
    """What a request without a handle asks for.

    Raises Malformed, or Unsupported for a type that is never forwarded.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise Unsupported(f"packet type {kind}")
    plan = reader(fields)
    fields.end()
    return plan


def plan_extension(name: bytes, fields: p.Fields) -> Plan:
    """The same for an extension without a handle; `fields` stand behind its name."""
    reader = _EXTENDED.get(name)
    if reader is None:
        raise Unsupported(f"extension {shown(name)[:64]}")
    plan = reader(fields)
    fields.end()
    return plan


def plan_handle_attributes(names: tuple[Name, ...], found: p.Attributes) -> Plan:
    """FSETSTAT."""
    return _set_attributes("fsetstat", names, found)


def plan_copy(source: tuple[Name, ...], sink: tuple[Name, ...], asked: dict[str, Any]) -> Plan:
    """copy-data between two handles."""
    reads = tuple(range(len(source)))
    writes = tuple(range(len(source), len(source) + len(sink)))
    does = (Does(SFTP_ADMIN, reads + writes, opens=True),)
    return Plan("copy-data", (*source, *sink), does, content=True, details=asked)


def action_of(plan: Plan, packet: bytes, home: bytes, *, chrooted: bool) -> SshAction:
    """The action to be judged. `packet` is the request as it came.

    The digest leaves out the length and the request id, which say nothing of what is asked for.
    Paths decide only as surely as names can: `inferred`, unless the target is chrooted.
    """
    written = dict.fromkeys(shown(name.written) for name in plan.names)
    facts = tuple(_fact(plan, does, home) for does in plan.does)
    digest = hashlib.sha256(packet[4:5])
    digest.update(packet[9:])
    sure = chrooted or not plan.names
    return SshAction(
        mode="sftp",
        text=" -> ".join(written) or plan.operation,
        facts=facts,
        digest=digest.hexdigest(),
        assurance=Assurance.EXACT if sure else Assurance.INFERRED,
        details={"operation": plan.operation, **plan.details},
    )


def _fact(plan: Plan, does: Does, home: bytes) -> CommandFacts:
    names = [plan.names[index] for index in does.names]
    paths = frozenset[str]().union(*(name.paths(home) for name in names))
    changes = does.action in (SFTP_WRITE, SFTP_ADMIN)
    return CommandFacts(
        does.action,
        program=plan.operation,
        argv=(plan.operation, *(shown(name.written) for name in names)),
        paths=paths,
        tags=plan.tags | place_tags(paths, reads=does.opens, changes=changes),
        complete=all(name.complete(home) for name in names),
    )


# --- readers --------------------------------------------------------------------------------------


def _open(fields: p.Fields) -> Plan:
    name = Name(fields.name(), follows=True)
    flags = fields.u32()
    found = fields.attributes()
    _no_extended(found)
    if flags & ~sum(p.OPEN_FLAGS.values()):
        raise Unsupported(f"open flags {flags:#x}")
    writes = flags & (p.FLAG_WRITE | p.FLAG_APPEND | p.FLAG_CREATE | p.FLAG_TRUNCATE)
    reads = flags & p.FLAG_READ or not flags & p.FLAG_WRITE
    does = []
    if writes:
        does.append(Does(SFTP_WRITE, (0,)))
    if reads:
        does.append(Does(SFTP_READ, (0,), opens=True))
    handle = ("r" if reads else "") + (
        "a" if flags & p.FLAG_APPEND else "w" if flags & p.FLAG_WRITE else ""
    )
    details: dict[str, Any] = {"flags": [word for word, bit in p.OPEN_FLAGS.items() if flags & bit]}
    if found.mode is not None:
        details["permissions"] = _octal(found.mode)
    return Plan(
        "open", (name,), tuple(does), p.HANDLE,
        changes=bool(writes), content=bool(flags & p.FLAG_TRUNCATE), handle=handle,
        tags=_privilege(found), details=details,
    )  # fmt: skip


def _look(
    operation: str, answers: int, *, follows: bool, asks: bool = True, handle: str = ""
) -> Callable[[p.Fields], Plan]:
    def read(fields: p.Fields) -> Plan:
        name = Name(fields.name(), follows=follows, asks=asks)
        return Plan(
            operation, (name,), (Does(SFTP_READ, (0,)),), answers, changes=False, handle=handle
        )

    return read


def _delete(operation: str) -> Callable[[p.Fields], Plan]:
    def read(fields: p.Fields) -> Plan:
        name = Name(fields.name(), follows=False)
        does = (Does(SFTP_DELETE, (0,)),)
        return Plan(operation, (name,), does, tags=frozenset({DESTRUCTIVE}))

    return read


def _set_stat(operation: str, *, follows: bool) -> Callable[[p.Fields], Plan]:
    def read(fields: p.Fields) -> Plan:
        names = (Name(fields.name(), follows=follows),)
        return _set_attributes(operation, names, fields.attributes(), admin=not follows)

    return read


def _set_attributes(
    operation: str, names: tuple[Name, ...], found: p.Attributes, *, admin: bool = False
) -> Plan:
    """Mode and owner say who may do what: `sftp.admin`; size and times are `sftp.write`."""
    _no_extended(found)
    admin = admin or found.mode is not None or found.owner is not None
    details: dict[str, Any] = {}
    if found.mode is not None:
        details["permissions"] = _octal(found.mode)
    if found.owner is not None:
        details["owner"] = list(found.owner)
    if found.size is not None:
        details["size"] = found.size
    if found.times is not None:
        details["times"] = list(found.times)
    tags = _privilege(found)
    if found.size is not None:
        tags |= {DESTRUCTIVE}
    does = (Does(SFTP_ADMIN if admin else SFTP_WRITE, tuple(range(len(names)))),)
    return Plan(operation, names, does, content=found.size is not None, tags=tags, details=details)


def _make_directory(fields: p.Fields) -> Plan:
    name = Name(fields.name(), follows=False)
    found = fields.attributes()
    _no_extended(found)
    details = {} if found.mode is None else {"permissions": _octal(found.mode)}
    does = (Does(SFTP_WRITE, (0,)),)
    return Plan("mkdir", (name,), does, tags=_privilege(found), details=details)


def _rename(fields: p.Fields) -> Plan:
    """The old name is gone afterwards, and the new one holds what it held."""
    names = (Name(fields.name(), follows=False), Name(fields.name(), follows=False))
    does = (Does(SFTP_WRITE, (0, 1), opens=True), Does(SFTP_DELETE, (0,)))
    return Plan("rename", names, does)


def _posix_rename(fields: p.Fields) -> Plan:
    """As `rename`, and what had the new name is gone."""
    names = (Name(fields.name(), follows=False), Name(fields.name(), follows=False))
    does = (Does(SFTP_ADMIN, (0, 1), opens=True),)
    return Plan("posix-rename", names, does, tags=frozenset({DESTRUCTIVE}))


def _hard_link(fields: p.Fields) -> Plan:
    names = (Name(fields.name(), follows=True), Name(fields.name(), follows=False))
    return Plan("hardlink", names, (Does(SFTP_ADMIN, (0, 1), opens=True),))


def _symbolic_link(fields: p.Fields) -> Plan:
    """In OpenSSH's order, which is not the draft's: what the link says, then the link.

    A target that keeps the draft's order takes them the other way round, so both are judged as
    either: as a name, and as what a link in the other's directory leads to.
    """
    says, link = fields.name(), fields.name()
    names = (
        Name(says, follows=True, base=posixpath.dirname(link)),
        Name(link, follows=False),
        Name(says, follows=False),
        Name(link, follows=True, base=posixpath.dirname(says)),
    )
    does = (Does(SFTP_ADMIN, (0, 1, 2, 3), opens=True),)
    return Plan("symlink", names, does, details={"link": shown(link), "leads_to": shown(says)})


def _expand_path(fields: p.Fields) -> Plan:
    name = Name(fields.name(), follows=True, asks=False)
    return Plan("expand-path", (name,), (Does(SFTP_ADMIN, (0,)),), p.NAME, changes=False)


def _limits(_: p.Fields) -> Plan:
    return Plan("limits", (), (Does(SFTP_READ, ()),), p.EXTENDED_REPLY, changes=False)


def _home_directory(fields: p.Fields) -> Plan:
    details = {"account": shown(fields.string(256))}
    does = (Does(SFTP_READ, ()),)
    return Plan("home-directory", (), does, p.NAME, changes=False, details=details)


def _names_of_ids(fields: p.Fields) -> Plan:
    for _ in range(2):
        if len(fields.string(p.MOST_FROM_CLIENT)) % 4:
            raise p.Malformed("a list of ids is cut off")
    does = (Does(SFTP_READ, ()),)
    return Plan("users-groups-by-id", (), does, p.EXTENDED_REPLY, changes=False)


def _no_extended(found: p.Attributes) -> None:
    if found.flags & p.ATTR_EXTENDED:
        raise Unsupported("extended attributes")


def _octal(mode: int) -> str:
    return f"{mode & _MODE_BITS:04o}"


def _privilege(found: p.Attributes) -> frozenset[str]:
    special = found.mode is not None and found.mode & _SPECIAL_BITS
    return frozenset({PRIVILEGE}) if special else frozenset()


_READERS: Final[dict[int, Callable[[p.Fields], Plan]]] = {
    p.OPEN: _open,
    p.OPENDIR: _look("opendir", p.HANDLE, follows=True, handle="d"),
    p.STAT: _look("stat", p.ATTRS, follows=True),
    p.LSTAT: _look("lstat", p.ATTRS, follows=False),
    p.READLINK: _look("readlink", p.NAME, follows=False),
    p.REALPATH: _look("realpath", p.NAME, follows=True, asks=False),
    p.SETSTAT: _set_stat("setstat", follows=True),
    p.REMOVE: _delete("remove"),
    p.RMDIR: _delete("rmdir"),
    p.MKDIR: _make_directory,
    p.RENAME: _rename,
    p.SYMLINK: _symbolic_link,
}
_EXTENDED: Final[dict[bytes, Callable[[p.Fields], Plan]]] = {
    b"posix-rename@openssh.com": _posix_rename,
    b"hardlink@openssh.com": _hard_link,
    b"lsetstat@openssh.com": _set_stat("lsetstat", follows=False),
    b"statvfs@openssh.com": _look("statvfs", p.EXTENDED_REPLY, follows=True),
    b"expand-path@openssh.com": _expand_path,
    b"limits@openssh.com": _limits,
    b"home-directory": _home_directory,
    b"users-groups-by-id@openssh.com": _names_of_ids,
}
