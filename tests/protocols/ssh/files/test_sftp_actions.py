"""What each request of sftp asks for: the table, packet by packet."""

from __future__ import annotations

import pytest
from support.sftp_talk import (
    Talk,
    actions_of,
    by_path,
    extended,
    open_,
    paths_of,
    tags_of,
    u32,
    u64,
)

from gatekeep.domain.commands import Assurance
from gatekeep.protocols.ssh.files import sftp_packets as p
from gatekeep.protocols.ssh.files.sftp import SftpConversation
from gatekeep.protocols.ssh.files.sftp_actions import EXTENSIONS, action_of, plan_request

X = p.string(b"/srv/x")
Y = p.string(b"/srv/y")
CREATE = p.FLAG_CREATE
OPENS = [
    (p.FLAG_READ, ["sftp.read"]),
    (0, ["sftp.read"]),
    (p.FLAG_WRITE, ["sftp.write"]),
    (p.FLAG_WRITE | p.FLAG_APPEND, ["sftp.write"]),
    (p.FLAG_READ | p.FLAG_WRITE, ["sftp.write", "sftp.read"]),
    (p.FLAG_READ | p.FLAG_TRUNCATE, ["sftp.write", "sftp.read"]),
    (p.FLAG_CREATE, ["sftp.write", "sftp.read"]),
]
REQUESTS = [
    (by_path(p.STAT, 1, b"/srv/x"), "stat", ["sftp.read"], set()),
    (by_path(p.LSTAT, 1, b"/srv/x"), "lstat", ["sftp.read"], set()),
    (by_path(p.READLINK, 1, b"/srv/x"), "readlink", ["sftp.read"], set()),
    (by_path(p.REALPATH, 1, b"/srv/x"), "realpath", ["sftp.read"], set()),
    (by_path(p.OPENDIR, 1, b"/srv/x"), "opendir", ["sftp.read"], set()),
    (by_path(p.REMOVE, 1, b"/srv/x"), "remove", ["sftp.delete"], {"destructive"}),
    (by_path(p.RMDIR, 1, b"/srv/x"), "rmdir", ["sftp.delete"], {"destructive"}),
    (p.request(p.MKDIR, 1, X, u32(0)), "mkdir", ["sftp.write"], set()),
    (p.request(p.SETSTAT, 1, X, u32(8), u32(1), u32(1)), "setstat", ["sftp.write"], set()),
    (p.request(p.SETSTAT, 1, X, u32(1), u64(0)), "setstat", ["sftp.write"], {"destructive"}),
    (p.request(p.SETSTAT, 1, X, u32(4), u32(0o644)), "setstat", ["sftp.admin"], set()),
    (p.request(p.SETSTAT, 1, X, u32(4), u32(0o2755)), "setstat", ["sftp.admin"], {"privilege"}),
    (p.request(p.SETSTAT, 1, X, u32(2), u32(0), u32(0)), "setstat", ["sftp.admin"], set()),
    (by_path(p.RENAME, 1, b"/srv/x", b"/srv/y"), "rename", ["sftp.write", "sftp.delete"], set()),
    (by_path(p.SYMLINK, 1, b"/srv/y", b"/srv/x"), "symlink", ["sftp.admin"], set()),
    (extended(1, b"posix-rename@openssh.com", X, Y), "posix-rename", ["sftp.admin"], {"destructive"}),
    (extended(1, b"hardlink@openssh.com", X, Y), "hardlink", ["sftp.admin"], set()),
    (extended(1, b"lsetstat@openssh.com", X, u32(8), u64(0)), "lsetstat", ["sftp.admin"], set()),
    (extended(1, b"statvfs@openssh.com", X), "statvfs", ["sftp.read"], set()),
    (extended(1, b"expand-path@openssh.com", X), "expand-path", ["sftp.admin"], set()),
    (extended(1, b"limits@openssh.com"), "limits", ["sftp.read"], set()),
    (extended(1, b"home-directory", p.string(b"bob")), "home-directory", ["sftp.read"], set()),
    (extended(1, b"users-groups-by-id@openssh.com", p.string(u32(0)), p.string(b"")),
     "users-groups-by-id", ["sftp.read"], set()),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "actions"), OPENS)
def test_open_is_what_its_flags_let_happen(flags: int, actions: list[str]) -> None:
    """Also a file that is only read is written where it is created or truncated."""
    action = Talk().submitted(open_(1, b"/srv/x", flags)).action
    assert actions_of(action) == actions
    assert action.details["flags"] == [word for word, bit in p.OPEN_FLAGS.items() if flags & bit]


@pytest.mark.parametrize(("packet", "operation", "actions", "tags"), REQUESTS)
def test_each_request_is_an_action(
    packet: bytes, operation: str, actions: list[str], tags: set[str]
) -> None:
    """Operation, Cedar actions, tags; all names that it concerns; and it goes out as it came."""
    talk = Talk()
    submit = talk.submitted(packet)
    assert submit.action.details["operation"] == operation
    assert actions_of(submit.action) == actions
    assert tags_of(submit.action) == tags
    named = {name.decode() for name in (b"/srv/x", b"/srv/y") if name in packet}
    assert named <= paths_of(submit.action)
    assert submit.action.assurance is (Assurance.INFERRED if named else Assurance.EXACT)
    talk.release(submit.key)
    assert talk.sent.endswith(packet)


def test_every_extension_is_in_the_table_or_goes_by_handle() -> None:
    """None that VERSION may offer is forgotten."""
    told = {operation for _, operation, _, _ in REQUESTS}
    plain = {name.decode().removesuffix("@openssh.com") for name in EXTENSIONS}
    assert plain - told == {"fstatvfs", "fsync", "copy-data"}


@pytest.mark.parametrize(
    ("packet", "tags"),
    [
        (by_path(p.SYMLINK, 1, b"../.ssh/authorized_keys", b"/srv/d/x"), {"persistence"}),
        (by_path(p.SYMLINK, 1, b"/etc/shadow", b"x"), {"reads_secret", "persistence"}),
        (by_path(p.SYMLINK, 1, b"x", b"/etc/cron.d/x"), {"persistence"}),
        (by_path(p.RENAME, 1, b"x", b".bashrc"), {"persistence"}),
        (by_path(p.RENAME, 1, b".pgpass", b"x"), {"reads_secret"}),
        (extended(1, b"hardlink@openssh.com", p.string(b".ssh/id_rsa"), X), {"reads_secret", "persistence"}),
        (open_(1, b".ssh/id_rsa"), {"reads_secret"}),
        (open_(1, b".ssh/authorized_keys", p.FLAG_WRITE), {"persistence"}),
        (open_(1, b"x", p.FLAG_CREATE | p.FLAG_WRITE, u32(4) + u32(0o4755)), {"privilege"}),
        (p.request(p.MKDIR, 1, p.string(b".ssh"), u32(0)), {"persistence"}),
        (by_path(p.STAT, 1, b"/etc/shadow"), set()),
    ],
)  # fmt: skip
def test_tags_are_those_of_all_names(packet: bytes, tags: set[str]) -> None:
    """Whichever of two names it is that opens a door, and as what it is used."""
    assert tags_of(Talk().submitted(packet).action) == tags


def test_the_digest_is_of_what_is_asked_for_and_not_of_its_id() -> None:
    """The same request twice is one digest, another request another."""
    digests = [
        Talk().submitted(packet).action.digest
        for packet in (by_path(p.REMOVE, 1, b"a"), by_path(p.REMOVE, 2, b"a"), by_path(p.RMDIR, 1, b"a"))
    ]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_names_are_exact_where_nobody_else_makes_links() -> None:
    """On a target that is chrooted, as its owner says."""
    plan = plan_request(p.STAT, p.Fields(p.string(b"/x"), 0))
    packet = by_path(p.STAT, 1, b"/x")
    assert action_of(plan, packet, b"/", chrooted=True).assurance is Assurance.EXACT
    assert SftpConversation(chrooted=True).idle
