"""From one simple command to its facts: program, words, paths and tags.

Knows programs and places only through `programs`, `readers` and `places`; what a command runs
inside itself is found in `unwrapping` and judged by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gatekeep.domain.commands import CommandFacts
from gatekeep.protocols.ssh.commands import places, programs
from gatekeep.protocols.ssh.commands.readers import only_reads
from gatekeep.protocols.ssh.commands.script import Redirection, Script, SimpleCommand
from gatekeep.protocols.ssh.commands.transfers import Transfer, transfer_of
from gatekeep.protocols.ssh.commands.unwrapping import SHELLS, Unwrapped, program_of
from gatekeep.protocols.ssh.commands.words import HOLE, Word


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Variables that change which code runs.
_CODE_VARIABLES: Final = re.compile(
    r"PATH|IFS|ENV|BASH_ENV|BASH_FUNC.*|BASHOPTS|SHELLOPTS|PROMPT_COMMAND|PS[0-4]|CDPATH|FPATH|ZDOTDIR|SHELL|HOME|LD_.*"
    r"|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|PYTHON.*|PERL.*|RUBY.*|NODE_.*|GEM_.*|LUA_.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|GIT_.*"
    r"|.*PAGER|LESS.*|MORE|EDITOR|VISUAL|FCEDIT|BROWSER|SUDO_.*|SSH_ASKPASS|RSYNC_.*|CVS_RSH|TAR_OPTIONS|SYSTEMD_.*|MANPATH"
    r"|MANROFFOPT|VIMINIT|EXINIT|INPUTRC|TERMINFO|TERMCAP|HISTFILE|PSQLRC|PGSERVICEFILE|CURL_HOME|WGETRC|MAKEFLAGS|GREP_OPTIONS"
    r"|MAIL(?:PATH)?|HOSTALIASES|RES_OPTIONS|OPENSSL_.*|KUBECONFIG|DOCKER_.*|MYSQL_HOME|BASH_ALIASES.*|BASH_CMDS.*|TMPDIR|XDG_.*"
)
_HARMLESS_VARIABLES: Final = re.compile(
    r"LC_\w+|LANG|LANGUAGE|TZ|TERM|COLUMNS|LINES|NO_COLOR|CLICOLOR|[a-z][a-z0-9_]*"
)
_SETTING: Final = frozenset({"export", "declare", "typeset", "local", "readonly", "env"})
_FILLING: Final = frozenset({"read", "printf", "mapfile", "readarray", "getopts", "unset", "for"})
#: Builtins that run code which stands in the name of an array's element, or in a number.
_EVALUATING: Final = frozenset(
    {"let", "test", "[", "[[", "declare", "typeset", "local", "readonly", "export", "printf", "read", "unset", "wait",
     "mapfile", "readarray", "getopts", "shift", "return", "exit", "ulimit", "(("}
)  # fmt: skip
_NO_FILES: Final = _names(
    "echo printf true false : kill killall pkill pgrep systemctl journalctl service date hostname id groups sleep seq export"
    " declare typeset local readonly unset read set shopt alias unalias eval trap type which command builtin exit return"
    " useradd userdel usermod passwd groupadd getent docker podman kubectl git apt apt-get yum dnf npm pip sudo doas env nice"
    " timeout nohup xargs time watch ssh su cd expr let test [ [[ (( ip dig ping nslookup host curl wget"
)
_METADATA: Final = _names(
    "ls dir vdir stat test [ [[ chmod chown chgrp du mkdir touch rm rmdir unlink cd ssh ssh-add find realpath dirname basename"
    " readlink file shred ln echo printf setfacl getfacl namei chattr lsattr export declare"
)
_RECURSIVE: Final = _names(
    "tar cp rsync scp zip 7z 7za cpio grep egrep fgrep rg ag ack strings cat head tail xargs find rgrep mv dd dump"
)
_WRITES_LAST: Final = frozenset({"cp", "install", "ln", "scp", "rsync", "gcp", "link", "dpkg-divert"})
_WRITES_ALL: Final = _names(
    "tee mv touch mkdir truncate chmod chown chgrp setfacl chattr rm rmdir unlink shred sponge split csplit vi vim nvim nano pico"
    " ed ex emacs joe mcedit micro patch wget ssh-keygen mkfifo mknod rename visudo vipw gunzip gzip"
    " bzip2 xz unxz bunzip2 dos2unix 7z aria2c rclone"
    " restorecon chcon sudoedit cpio pax ar objcopy strip htpasswd"
)
_ARCHIVERS: Final = frozenset({"tar", "unzip", "7z", "cpio", "pax"})
_ADDRESS: Final = re.compile(r"(?!file:)[a-z][a-z0-9+.-]{1,20}://")
#: Wrappers that open a shell where they are given nothing to run.
_OPENS_ALONE: Final = _names(
    "sudo su doas runuser chroot nsenter unshare ssh slogin autossh docker podman nerdctl kubectl oc crictl lxc docker-compose"
    " script newgrp sg ip pkexec capsh setpriv busybox toybox fakeroot dbus-run-session"
)
_UNREADABLE: Final = re.compile("[\ud800-\udfff]")
#: Tags of commands that run more than their words say.
_HIDE: Final = frozenset({programs.OPENS_OPAQUE, programs.MUTABLE_CODE})
_MOST_WORDS: Final = 2_000


@dataclass(slots=True)
class Setting:
    """What the whole line says about each of its commands.

    `directories` are those that it changes to; `renames` is true once names of programs may no
    longer mean what they say: an alias, a function, a path of its own.
    """

    action: str
    terminal: bool = False
    directories: set[str] = field(default_factory=set)
    lost: bool = False
    renames: bool = False
    functions: set[str] = field(default_factory=set)

    def learn(self, script: Script) -> None:
        """Take notice of what a script does to the meaning of names."""
        self.functions |= script.functions
        for command in script.commands:
            for name, _ in command.assignments:
                self.renames |= _CODE_VARIABLES.fullmatch(name) is not None
            words = command.words
            if not words:
                continue
            program = program_of(words[0])
            if program in ("cd", "pushd", "chdir"):
                self._move(words[1:])
            self.renames |= program in ("alias", "enable", "hash") and len(words) > 1

    def _move(self, words: Sequence[Word]) -> None:
        for word in words:
            if word.literal:
                self.directories.add(word.value)
            else:
                self.lost = True


def facts_of(
    command: SimpleCommand, inside: Unwrapped | None, setting: Setting
) -> tuple[CommandFacts, bool]:
    """The facts of one command, and whether it is sure which program it runs."""
    words = command.words
    program = program_of(words[0]) if words and words[0].literal else ""
    own = words if inside is None else inside.own(words)
    rest = words[1:]
    values = [one.value for one in own[1 : _MOST_WORDS + 1]]
    complete = all(one.literal for one in words) and len(rest) <= _MOST_WORDS
    if program == "sudo" and inside is not None and not (inside.inner or inside.alone):
        program = "sudoedit"
    tags = programs.tags_of(program, values, terminal=setting.terminal) if program else set()
    sure = not words or words[0].literal
    paths = _Paths(setting)
    if words:
        _from_words(program, own, inside, paths, tags)
        if program in SHELLS:
            _shell(own, inside, tags, given=command.script is not None)
    _from_redirections(command.redirections, paths, tags)
    complete &= all(one.target.literal for one in command.redirections) and paths.complete
    set_before = [] if inside is None else inside.set_before
    sure &= _from_assignments(command, program, [*values, *set_before], tags)
    sure &= not _hidden_code(program, command)
    tags.discard(programs.READS_ONLY)
    if complete and sure and _reads_only(program, command, values, inside, tags):
        tags.add(programs.READS_ONLY)
    facts = CommandFacts(
        setting.action,
        program,
        tuple(_argv(words, program)),
        frozenset(_flags(rest)),
        frozenset(paths.names),
        frozenset(tags),
        complete and sure and program not in setting.functions and tags.isdisjoint(_HIDE),
    )
    return facts, sure


def _argv(words: Sequence[Word], program: str) -> Iterator[str]:
    if program:
        yield program
    for word in words[1:] if program else words:
        if word.literal:
            yield word.value


def _flags(words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        value = word.value if word.literal else ""
        if len(value) <= len("-") or value[0] != "-":
            continue
        yield value
        if value.startswith("--"):
            yield value.partition("=")[0]
        elif value[1:].isalnum():
            yield from (f"-{one}" for one in value[1:])


class _Paths:
    """The names of files that a command is given, in all their spellings."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.names: set[str] = set()
        self.complete = True

    def take(self, path: str) -> frozenset[str]:
        """Note a path; answers with what it may mean."""
        bare = path.rpartition(":")[2] if ":" in path and "/" not in path.partition(":")[0] else path
        found = places.spellings(path, self._setting.directories)
        if bare != path and bare:
            found |= places.spellings(bare, self._setting.directories)
        self.names |= {one for one in found if HOLE not in one and not _UNREADABLE.search(one)}
        if self._setting.lost and not path.startswith(("/", "~")):
            self.complete = False
        return found


def _from_words(
    program: str, words: Sequence[Word], inside: Unwrapped | None, paths: _Paths, tags: set[str]
) -> None:
    """Paths among the words, and the tags that places give."""
    if places.is_changeable(words[0].value) and program != "":
        paths.take(words[0].value)
        tags.add(programs.MUTABLE_CODE)
    elif not words[0].literal and ("/" in words[0].value or words[0].globs):
        tags.add(programs.MUTABLE_CODE)
    transfer = transfer_of(words)
    named = list(_named_files(program, words[1:]))
    written = _written(program, words, [path for _, path in named], transfer, tags)
    for word, path in named:
        found = paths.take(path)
        if path not in written or program == "mv":
            _secret_path(program, word, found, tags)
    if any(places.is_persistent(one, pattern=HOLE in one or "*" in one) for one in _aimed(written)):
        tags.add(programs.PERSISTENCE)
        if program == "tee" and not any(one.value in ("-a", "--append") for one in words):
            tags.add(programs.DESTRUCTIVE)
    if program not in SHELLS and program in _OPENS_ALONE and inside is not None and inside.alone:
        tags.add(programs.OPENS_OPAQUE)


def _named_files(program: str, words: Sequence[Word]) -> Iterator[tuple[Word, str]]:
    """Words that may name files: those that are no options, and what options carry."""
    for word in words[:_MOST_WORDS]:
        value = word.value
        if _ADDRESS.match(value):
            continue
        if value.startswith("-") and len(value) > 1:
            attached = value.partition("=")[2] if "=" in value else value[2:]
            if attached.startswith(("/", "~", ".")) or "/" in attached:
                yield word, attached
        elif program not in _NO_FILES or "/" in value or value[:1] in ("~", "."):
            if value:
                yield word, value
            _, mark, attached = value.partition("=")
            if mark and attached:
                yield word, attached
            if value.startswith("@") and len(value) > 1:
                yield word, value[1:]


def _secret_path(program: str, word: Word, found: frozenset[str], tags: set[str]) -> None:
    if program in _METADATA or (program != "dd" and programs.DESTRUCTIVE in tags):
        return
    pattern = word.globs or HOLE in word.value
    if any(places.is_secret(one, pattern=pattern and (word.globs or HOLE in one)) for one in found) or (program in _RECURSIVE and any(places.holds_secrets(one) for one in found if one)):
        tags.add(programs.READS_SECRET)


def _written(
    program: str, words: Sequence[Word], named: Sequence[str], transfer: Transfer | None, tags: set[str]
) -> list[str]:
    """The paths that it writes to, as far as words tell."""
    if transfer is not None:
        tags.add(programs.TRANSFER)
        written = [] if transfer.direction == "out" else list(transfer.paths)
        tags |= {programs.WRITES} if transfer.direction != "out" else set()
        return written
    if program in _WRITES_LAST:
        written = [*named[-1:], *_targets(words)]
    elif program == "dd":
        written = [one.value[3:] for one in words if one.value.startswith("of=")]
    elif program in _ARCHIVERS:
        written = list(_unpacked(words[1:]))
    elif program in _WRITES_ALL or programs.WRITES in tags:
        written = list(named)
    else:
        return []
    tags.add(programs.WRITES)
    return written


def _unpacked(words: Sequence[Word]) -> Iterator[str]:
    """Where an archive is written to, or unpacked to."""
    values = [one.value for one in words]
    first = values[0] if values else ""
    unpacks = "--extract" in values or "--get" in values or any(
        "x" in one for one in (first, *(one for one in values if one[:1] == "-" != one[1:2]))
    )
    for at, value in enumerate(values):
        attached = value.removeprefix("-C").removeprefix("--directory=").removeprefix("--file=")
        if unpacks or not at or "f" in values[at - 1][:8] or attached != value:
            yield attached


def _aimed(paths: Sequence[str]) -> Iterator[str]:
    """The paths, and without the name of another machine before them."""
    for path in paths:
        yield path
        machine, mark, below = path.partition(":")
        if mark and "/" not in machine:
            yield below


def _targets(words: Sequence[Word]) -> Iterator[str]:
    """The directory that `cp -t` and its kin are given."""
    for at, word in enumerate(words):
        value = word.value
        if value.startswith("--target-directory="):
            yield value.partition("=")[2]
        elif value.startswith("-") and not value.startswith("--") and "t" in value:
            yield value.partition("t")[2] or (words[at + 1].value if at + 1 < len(words) else "")


def _shell(words: Sequence[Word], inside: Unwrapped | None, tags: set[str], *, given: bool) -> None:
    """A shell with a text is what the text is; with a file, code that may change; else a new shell."""
    if inside is not None and inside.alone and given:
        return
    if inside is None or not inside.inner:
        tags.add(programs.OPENS_OPAQUE)
        if any(not one.value.startswith(("-", "+")) for one in words[1:]):
            tags.add(programs.MUTABLE_CODE)
    if any(one.value.startswith(("--rcfile", "--init-file")) for one in words[1:]):
        tags.add(programs.MUTABLE_CODE)


def _from_redirections(redirections: Sequence[Redirection], paths: _Paths, tags: set[str]) -> None:
    for one in redirections:
        if one.joins:
            continue
        value, pattern = one.target.value, one.target.globs
        if places.is_socket(value):
            tags.add(programs.NETWORK)
            continue
        found = paths.take(value)
        if not one.writes:
            if any(places.is_secret(name, pattern=pattern or HOLE in name) for name in found):
                tags.add(programs.READS_SECRET)
            continue
        if places.is_nowhere(value):
            continue
        tags.add(programs.WRITES)
        if any(places.is_persistent(name, pattern=pattern or HOLE in name) for name in found):
            tags |= {programs.PERSISTENCE} | ({programs.DESTRUCTIVE} if ">>" not in one.operator else set())
        if value.startswith("/dev/"):
            tags.add(programs.DESTRUCTIVE)


def _from_assignments(
    command: SimpleCommand, program: str, values: Sequence[str], tags: set[str]
) -> bool:
    """Variables that change what runs are code; answers whether the program is still sure."""
    names = [name.rstrip("+") for name, _ in command.assignments]
    if program in _SETTING or program == "sudo":
        names += [one.partition("=")[0].rstrip("+") for one in values if "=" in one]
    if program in _FILLING:
        names += [one for one in values if not one.startswith("-")]
    if any(_CODE_VARIABLES.fullmatch(name) for name in names):
        tags.add(programs.MUTABLE_CODE)
        return False
    return True


def _hidden_code(program: str, command: SimpleCommand) -> bool:
    """Code in quotes that bash still runs: in subscripts and numbers, or kept in a variable for that."""
    if any(_code(value.value) for _, value in command.assignments):
        return True
    if program == "time" and command.redirections and command.words[1:2]:
        return True  # the keyword has no options there: what looks like one is run
    return program in _EVALUATING and any(
        _code(one.value) or one.value.startswith("a[") for one in command.words[1:]
    )


def _code(value: str) -> bool:
    return "$(" in value or "`" in value or "${" in value


def _reads_only(
    program: str, command: SimpleCommand, values: Sequence[str], inside: Unwrapped | None, tags: set[str]
) -> bool:
    if tags - {programs.READS_SECRET} or any(
        _HARMLESS_VARIABLES.fullmatch(name) is None for name, _ in command.assignments
    ):
        return False
    if not program:
        return True
    if inside is not None:
        return not inside.unclear and _wrapper_only(program, values)
    return only_reads(program, values)


def _wrapper_only(program: str, values: Sequence[str]) -> bool:
    """A wrapper is judged by its own options; what it runs is judged by itself."""
    if program == "find":
        return not {"-delete", "-fprint", "-fprint0", "-fprintf", "-fls"} & set(values)
    if program == "env":
        return all(re.match(r"-[i0]$|(?:LC_\w+|LANG|TZ|TERM)=", one) for one in values)
    return only_reads(program, values)
