"""Commands that carry files over the channel itself: scp, rsync, git, sftp-server.

Only the form that a client's program sends to the other side counts; `rsync a b` typed by somebody
is an ordinary command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gatekeep.protocols.ssh.commands.grammar import read_script
from gatekeep.protocols.ssh.commands.unwrapping import program_of
from gatekeep.protocols.ssh.commands.words import Word

#: What a client asks for git by, and whether data goes in to the target or out of it.
_GIT: Final = {
    "git-upload-pack": "out",
    "git-receive-pack": "in",
    "git-upload-archive": "out",
    "git-lfs-transfer": "both",
    "git-lfs-authenticate": "both",
}
_SFTP: Final = frozenset({"sftp-server", "internal-sftp"})
_RSYNC_VALUED: Final = ("--log-file", "--temp-dir", "--partial-dir", "--backup-dir", "-T", "-M", "-B")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer. `kind` is `scp`, `rsync`, `git` or `sftp`; `direction` as the target sees it.

    `direction`: `in` is data to the target, `out` from it, `both` where the protocol inside says.
    `paths` as written. `complete` is false where names are patterns, or are sent inside.
    """

    kind: str
    direction: str
    paths: tuple[str, ...] = ()
    complete: bool = True


def recognise_transfer(text: str) -> Transfer | None:
    """The transfer that this command line is, if it is one and nothing else."""
    script = read_script(text)
    if script is None or script.broken or script.doubtful or len(script.commands) != 1:
        return None
    command = script.commands[0]
    if command.redirections or command.assignments or command.script or not command.words:
        return None
    return transfer_of(command.words)


def transfer_of(words: Sequence[Word]) -> Transfer | None:
    """The transfer that the words of one command are."""
    if not words or not words[0].literal:
        return None
    program, rest = program_of(words[0]), words[1:]
    if program in _SFTP:
        return Transfer("sftp", "both")
    if program == "git" and rest and rest[0].literal:
        program, rest = f"git-{rest[0].value}", rest[1:]
    if program in _GIT:
        return _git(program, rest)
    if program == "scp":
        return _scp(rest)
    return _rsync(rest) if program == "rsync" else None


def _git(program: str, words: Sequence[Word]) -> Transfer:
    paths = tuple(one.value for one in words if not one.value.startswith("-"))
    return Transfer("git", _GIT[program], paths, all(one.literal for one in words))


def _scp(words: Sequence[Word]) -> Transfer | None:
    """`scp -t path` receives, `scp -f path…` sends; neither is for people."""
    letters = ""
    at = 0
    while at < len(words) and words[at].value.startswith("-") and len(words[at].value) > 1:
        if words[at].value == "--":
            at += 1
            break
        letters += words[at].value[1:]
        at += 1
    known = all(one.literal for one in words)
    if "t" in letters or "f" in letters:
        paths = tuple(one.value for one in words[at:])
        direction = "both" if "t" in letters and "f" in letters else "in" if "t" in letters else "out"
        return Transfer("scp", direction, paths, known)
    return None


def _rsync(words: Sequence[Word]) -> Transfer | None:
    """`rsync --server [--sender] options . path…`: behind the dot stand the names."""
    values = [one.value for one in words]
    if "--server" not in values or not all(one.literal for one in words[: values.index("--server")]):
        return None
    direction = "out" if "--sender" in values else "in"
    paths: tuple[str, ...] = ()
    for at, value in enumerate(values):
        if value == "." and at and not values[at - 1].startswith(_RSYNC_VALUED):
            paths = tuple(values[at + 1 :])
            break
    return Transfer("rsync", direction, paths, bool(paths) and all(one.literal for one in words))
