"""Commands that are known to do nothing but read: a reviewed list, with the options that break it.

The tag `reads_only` may only come from here. A program, verb or option that is not listed does not
have it; options that write, run something or change the target are named, abbreviations included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reader:
    """How a program only reads: no option of `letters` or `long`, no word of `words`.

    `verbs`: its first word must be one of these (with "" for none). `most`: how many words that
    are no options it may be given. `only`: its options must be among these letters.
    """

    letters: str = ""
    long: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    most: int = 1 << 20
    only: str | None = None
    test: Callable[[Sequence[str]], bool] | None = None


_ANY: Final = (
    "ls dir vdir cat tac head tail wc grep egrep fgrep zgrep zegrep zfgrep zcat bzcat xzcat du df free w"
    " who whoami id groups uname vmstat iostat mpstat lscpu lsmem lspci lsusb lsmod nproc arch getconf"
    " printf echo pwd true false test [ [[ : basename dirname realpath readlink seq cut tr paste join comm diff cmp"
    " column nl rev fold expand unexpand od hexdump strings md5sum sha1sum sha224sum sha256sum"
    " sha384sum sha512sum b2sum cksum sum base64 base32 stat findmnt last lastb lastlog uptime type which whereis"
    " locale tty logname pstree pidof pgrep times jobs sleep cd exit return break continue netstat lsof"
    " users pmap lslocks lsns lsipc numfmt factor sync shift pathchk apropos whatis"
)
_NOTHING: Final = Reader()


def _verbs(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _date(words: Sequence[str]) -> bool:
    return all(one.startswith(("+", "-")) for one in words if one)


def _ps(words: Sequence[str]) -> bool:
    return not any("e" in one.lower() for one in words if not one.startswith("-"))


_AWK_ACTS: Final = re.compile(r"system|getline|[|>@]|ENVIRON")
_SED_PRINTS: Final = re.compile(r"(?:\d+|\$)(?:,(?:\d+|\$))?[pqd]|/[\w .:-]*/[pd]|s/[\w .:-]*/[\w .:-]*/g?p?")


def _awk(words: Sequence[str]) -> bool:
    return bool(words) and _AWK_ACTS.search(words[0]) is None


def _sed(words: Sequence[str]) -> bool:
    return bool(words) and _SED_PRINTS.fullmatch(words[0]) is not None


_PLAIN_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_SYSTEMCTL: Final = _verbs(
    "status show cat list-units list-unit-files list-timers list-sockets list-jobs list-dependencies is-active is-enabled"
    " is-failed is-system-running get-default help"
)
_DOCKER: Final = _verbs("ps images logs stats top version info port events history")
_IP: Final = _verbs("show list ls lst get")
_IP_THINGS: Final = _verbs("address addr a link l route r neigh neighbour neighbor n rule maddress")

READERS: Final[dict[str, Reader]] = {
    **dict.fromkeys(_ANY.split(), _NOTHING),
    "file": Reader("C", ("compile",)),
    "date": Reader("s", ("set",), test=_date),
    "hostname": Reader("Fb", ("file", "boot"), most=0),
    "ps": Reader(test=_ps),
    "ss": Reader("KD", ("kill", "diag")),
    "lsblk": _NOTHING,
    "blkid": Reader("g", ("garbage-collect",)),
    "sort": Reader("oT", ("output", "compress-program", "temporary-directory")),
    "uniq": Reader(most=1),
    "jq": Reader("fL", ("from-file", "library-path")),
    "dmesg": Reader("CcDEn", ("clear", "read-clear", "console-off", "console-on", "console-level")),
    "journalctl": Reader("", ("vacuum", "rotate", "flush", "sync", "relinquish-var", "smart-relinquish-var",
                              "setup-keys", "update-catalog", "cursor-file")),
    "systemctl": Reader("HM", ("host", "machine", "root", "image", "force", "now"), verbs=_SYSTEMCTL | {""}),
    "timedatectl": Reader("HM", ("host", "machine"), verbs=_verbs("status show timesync-status list-timezones") | {""}),
    "hostnamectl": Reader("HM", ("host", "machine"), verbs=_verbs("status") | {""}, most=1),
    "localectl": Reader("HM", ("host", "machine"), verbs=_verbs("status list-locales list-keymaps") | {""}),
    "loginctl": Reader("HM", ("host", "machine"), verbs=_verbs("list-sessions list-users list-seats session-status user-status seat-status show-session show-user show-seat") | {""}),
    "getent": Reader("", (), words=_verbs("shadow gshadow")),
    "rpm": Reader("iUFeV", ("install", "upgrade", "freshen", "erase", "import", "initdb", "rebuilddb", "eval", "define",
                            "pipe", "load", "root", "dbpath", "restore", "setperms", "setugids", "setcaps"),
                  only="qalfcdvRpK"),
    "dpkg": Reader(only="lLsSpW"),
    "dpkg-query": _NOTHING,
    "apt": Reader("oc", ("option", "config-file"), verbs=_verbs("list show search policy")),
    "apt-cache": Reader("oc", ("option", "config-file"), verbs=_verbs("show showpkg search policy depends rdepends madison")),
    "awk": Reader(only="Fv", test=_awk),
    "gawk": Reader(only="Fv", test=_awk),
    "mawk": Reader(only="Fv", test=_awk),
    "nawk": Reader(only="Fv", test=_awk),
    "sed": Reader("", (), only="nErs", test=_sed),
    "docker": Reader("Hc", ("host", "context", "config"), verbs=_DOCKER),
    "podman": Reader("c", ("connection", "url", "root", "runroot"), verbs=_DOCKER),
    "kubectl": Reader("s", ("server", "kubeconfig", "token", "as", "raw", "context", "cluster", "user"),
                      words=_verbs("secret secrets secret/"), verbs=_verbs("get describe logs top version explain api-resources events")),
    "ip": Reader("nbf", ("netns", "batch", "force"), verbs=_IP_THINGS,
                 test=lambda words: words[1:2] == [] or words[1] in _IP),
    "history": Reader("cdawrnps", most=1),
    "ulimit": Reader(only="aSH", most=0),
    "umask": Reader(only="Sp", most=0),
    "hash": Reader(only="lt", most=0),
    "find": Reader("", ("delete", "exec", "execdir", "ok", "okdir", "fprint", "fprint0", "fprintf", "fls", "files0-from")),
    "time": Reader("oa", ("output", "append")),
    "nice": _NOTHING, "ionice": Reader("pPu", ("pid", "pgid", "uid")), "timeout": _NOTHING, "stdbuf": _NOTHING,
    "command": _NOTHING, "builtin": _NOTHING, "watch": _NOTHING, "xargs": _NOTHING, "{": _NOTHING, "!": _NOTHING,
    "}": _NOTHING, "coproc": _NOTHING,
    "bash": Reader(only="ceuflx"), "sh": Reader(only="ceufx"), "dash": Reader(only="ceufx"),
    "read": Reader(test=lambda words: all(_PLAIN_NAME.fullmatch(one) for one in words)),
    "mount": Reader(only="lt", most=0),
    "lastcomm": _NOTHING, "sar": Reader("o"), "busybox": _NOTHING, "toybox": _NOTHING,
}  # fmt: skip


def only_reads(program: str, words: Sequence[str]) -> bool:
    """Whether a program given these words (itself not among them) is known to do nothing but read."""
    reader = READERS.get(program)
    if reader is None:
        return False
    plain: list[str] = []
    options = True
    for word in words:
        if options and word == "--":
            options = False
        elif options and len(word) > 1 and word.startswith("-"):
            if not _harmless(word, reader, single=program == "find"):
                return False
        else:
            plain.append(word)
    if len(plain) > reader.most or not reader.words.isdisjoint(plain):
        return False
    if any(one.startswith(mark) for one in plain for mark in reader.words if mark.endswith("/")):
        return False
    if reader.verbs and (plain[0] if plain else "") not in reader.verbs:
        return False
    return reader.test is None or reader.test(plain)


def _harmless(option: str, reader: Reader, *, single: bool) -> bool:
    """Whether an option leaves a reader one; long ones may be shortened, short ones joined."""
    if option.startswith("--") or single:
        name = option.lstrip("-").partition("=")[0]
        if single:
            return name not in reader.long
        return reader.only is None and not any(one.startswith(name) or name.startswith(one) for one in reader.long)
    if reader.only is not None:
        value = option[1:]
        return all(one in reader.only for one in value) or value[0] in "Fv" == reader.only
    return not any(one in reader.letters for one in option[1:])
