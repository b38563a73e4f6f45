"""Commands that run commands: `sudo`, `env`, `xargs`, `bash -c` and their kin, taken apart.

Says which words or text are run inside; reading that text, and tags, are `command`'s. Whatever is
not understood for sure is `unclear`, never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gatekeep.protocols.ssh.commands.prefixes import Prefix, prefix_of
from gatekeep.protocols.ssh.commands.words import KEYWORDS, Word

_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=")
SHELLS: Final = frozenset({"bash", "sh", "dash", "ash", "rbash", "ksh", "mksh", "ksh93", "zsh",
                           "fish", "csh", "tcsh", "pwsh", "powershell", "elvish", "nu", "xonsh", "yash"})  # fmt: skip
READ_LIKE_BASH: Final = frozenset({"bash", "sh", "dash", "ash", "rbash"})


@dataclass(slots=True)
class Inner:
    """What is run inside: words, or a `text` for a shell (then `words` are those it is made of).

    `complete` is false where more words come at run time. `shell` is the name of the shell that
    reads `text`.
    """

    words: list[Word] = field(default_factory=list)
    text: Word | None = None
    complete: bool = True
    shell: str = "bash"
    tags: frozenset[str] = frozenset()


@dataclass(slots=True)
class Unwrapped:
    """What a command runs. `unclear`: it may run something else than `inner` says.

    `alone`: it was given nothing to run, which for some means a shell. `set_before`: variables.
    """

    inner: list[Inner] = field(default_factory=list)
    unclear: bool = False
    alone: bool = False
    set_before: list[str] = field(default_factory=list)

    def own(self, words: Sequence[Word]) -> list[Word]:
        """Those of the words that are the wrapper's own."""
        taken = {id(one) for inner in self.inner for one in inner.words}
        return [one for one in words if id(one) not in taken] if taken else list(words)


#: Words of the grammar: behind them a whole command stands, with the variables set before it.
_RESERVED: Final = frozenset({"time", "coproc"})


def unwrap(program: str, words: Sequence[Word]) -> Unwrapped | None:
    """What `words` run inside themselves; None where they are no wrapper."""
    special = _SPECIAL.get(program)
    if special is not None:
        return special(words)
    if program in SHELLS:
        return _shell(words, program)
    prefix = prefix_of(program)
    return None if prefix is None else _prefixed(program, words, prefix)


def _prefixed(program: str, words: Sequence[Word], prefix: Prefix) -> Unwrapped:
    at, found = _past_options(words, 1, prefix)
    if program == "command" and any(one.value[:2] in ("-v", "-V") for one in words[1:at]):
        return found
    if program == "sudo" and _edits(words[1:at]):
        return Unwrapped()
    rest = list(words[at:])
    if program == "env":
        split = _value_of(words[1:at], "S", "split-string")
        if split is not None:
            found.inner.append(Inner([split, *words[1:]], _joined([split, *rest])))
            return found
    if rest:
        found.inner.append(Inner(rest, complete=program != "xargs"))
        found.unclear |= not rest[0].literal
        if program in _RESERVED:
            first = rest[0].written
            found.unclear |= first in KEYWORDS or _ASSIGNMENT.match(first) is not None
    found.alone = not rest
    return found


def _edits(options: Sequence[Word]) -> bool:
    """Whether `sudo -e` is asked for: it runs an editor."""
    return any(
        one.value == "--edit" or (one.value[:1] == "-" != one.value[1:2] and "e" in one.value)
        for one in options
    )


def _past_options(words: Sequence[Word], at: int, prefix: Prefix) -> tuple[int, Unwrapped]:
    """Where the inner command begins."""
    found = Unwrapped()
    skips = prefix.skips
    while at < len(words):
        word = words[at]
        value = word.value
        if not word.literal and not value.startswith("-") and not skips:
            break
        if value == "--":
            at += 1
            while skips and at < len(words):
                at, skips = at + 1, skips - 1
            break
        if len(value) > 1 and value.startswith("-"):
            found.unclear |= not word.literal
            at += _option(value, prefix, found)
        elif prefix.assigns and _ASSIGNMENT.match(value):
            found.set_before.append(value.partition("=")[0].rstrip("+"))
            at += 1
        elif skips:
            skips -= 1
            at += 1
        else:
            break
    return min(at, len(words)), found


def _option(value: str, prefix: Prefix, found: Unwrapped) -> int:
    """How many words an option takes: itself, and its value."""
    if value.startswith("--"):
        name, equals, _ = value[2:].partition("=")
        if equals:
            return 1
        if any(one.startswith(name) for one in prefix.long_valued.split()):
            return 2
        found.unclear |= not any(one.startswith(name) for one in prefix.long.split())
        return 1
    for place, letter in enumerate(value[1:], 2):
        if letter in prefix.valued:
            return 2 if place == len(value) else 1
        if letter not in prefix.flags:
            found.unclear = True
    return 1


def _value_of(words: Sequence[Word], letter: str, long: str) -> Word | None:
    """The value of an option, attached or the next word."""
    for at, word in enumerate(words):
        value = word.value
        follows = words[at + 1] if at + 1 < len(words) else None
        if value.startswith("--"):
            name, equals, attached = value[2:].partition("=")
            if name and long.startswith(name):
                return Word(attached, attached, word.literal) if equals else follows
        elif value.startswith("-") and letter in value[1:]:
            attached = value.partition(letter)[2]
            return Word(attached, attached, word.literal) if attached else follows
    return None


def _joined(words: Sequence[Word]) -> Word:
    """Words as one text, as `eval`, `ssh` and `watch` join them."""
    text = " ".join(one.value for one in words)
    return Word(" ".join(one.written for one in words), text, all(one.literal for one in words))


# --- shells, and what hands its words to one ---------------------------------------------------


def _shell(words: Sequence[Word], name: str = "bash") -> Unwrapped:
    """`bash -c text`, `bash file`, or a shell that reads its standard input (`alone`)."""
    found = Unwrapped()
    given = False
    at = 1
    while at < len(words):
        word = words[at]
        value = word.value
        if not word.literal and value[:1] not in ("-", "+"):
            break
        if value in ("--", "-"):
            at += 1
            break
        if value.startswith("--"):
            at += 2 if value in ("--rcfile", "--init-file") else 1
        elif value[:1] in ("-", "+") and len(value) > 1:
            given |= "c" in value[1:] and value[0] == "-"
            at += 1 + sum(value.count(one) for one in "oO")
        else:
            break
        found.unclear |= not word.literal
    rest = words[at:]
    if given and rest:
        found.inner.append(Inner([rest[0]], rest[0], shell=name))
    found.alone = not rest or (given and not rest)
    found.unclear |= given and not rest
    return found


def _eval(words: Sequence[Word]) -> Unwrapped:
    rest = list(words[1:])
    if rest and rest[0].value == "--":
        rest = rest[1:]
    return Unwrapped([Inner(rest, _joined(rest))] if rest else [])


def _watch(words: Sequence[Word]) -> Unwrapped:
    prefix = Prefix("bcCdegprtwx", "nqs", "beep color no-color errexit chgexit precise no-title no-wrap exec differences",
                    "interval equexit shotsdir")  # fmt: skip
    at, found = _past_options(words, 1, prefix)
    if at < len(words):
        found.inner.append(Inner(list(words[at:]), _joined(words[at:])))
    return found


def _su(words: Sequence[Word]) -> Unwrapped:
    text = _value_of(words[1:], "c", "command")
    if text is None:
        at, found = _past_options(words, 1, Prefix("lmpfP", "ugGsw", "login", "user group supp-group shell"))
        dashes = [one for one in words[:at] if one.value == "--"]
        if words[0].value.endswith("runuser") and dashes and at < len(words):
            found.inner.append(Inner(list(words[at:])))
        found.alone = not found.inner
        return found
    return Unwrapped([Inner([text], text)], unclear=not text.literal)


def _with_text(words: Sequence[Word]) -> Unwrapped:
    """`script -c text`, `sg group -c text`, `newgrp`."""
    text = _value_of(words[1:], "c", "command")
    return Unwrapped([Inner([text], text)] if text else [], alone=text is None)


def _flock(words: Sequence[Word]) -> Unwrapped:
    at, found = _past_options(words, 1, Prefix("sxeunoFv", "wE", "shared exclusive unlock nonblock close no-fork verbose",
                                               "timeout wait conflict-exit-code", skips=1))  # fmt: skip
    rest = list(words[at:])
    text = _value_of(words[1:], "c", "command")
    if text is not None:
        found.inner.append(Inner([text], text))
        found.unclear = not text.literal
    elif rest:
        found.inner.append(Inner(rest))
    return found


def _ssh(words: Sequence[Word]) -> Unwrapped:
    """`ssh [options] host text…`; options may also stand behind the host."""
    prefix = Prefix("46AaCfGgKkMNnqsTtVvXxYy", "BbcDEeFIiJLlmOopQRSWw")
    at, found = _past_options(words, 1, prefix)
    at, more = _past_options(words, at + 1, prefix)
    found.unclear |= more.unclear
    rest = words[at:]
    found.inner += [
        Inner(text=Word(value, value, word.literal))
        for word in words[1:at]
        for name, value in [_setting(word.value)]
        if name in ("proxycommand", "localcommand", "knownhostscommand") and value.lower() != "none"
    ]
    if rest:
        found.inner.append(Inner(list(rest), _joined(rest)))
    found.alone = not rest
    return found


def _setting(value: str) -> tuple[str, str]:
    """Name and value of `-o Name=value` or `-oName value`."""
    name, _, rest = re.sub(r"[=\s]", "\0", value.removeprefix("-o").strip(), count=1).partition("\0")
    return name.lower(), rest.strip()


def _find(words: Sequence[Word]) -> Unwrapped:
    """Each `-exec … ;`, `-exec … +` and the like."""
    found = Unwrapped()
    at = 1
    while at < len(words):
        value = words[at].value
        at += 1
        if value not in ("-exec", "-execdir", "-ok", "-okdir"):
            continue
        start = at
        while at < len(words) and words[at].value != ";" and not (
            words[at].value == "+" and words[at - 1].value == "{}"
        ):
            at += 1
        inner = list(words[start:at])
        if inner:
            open_ended = any("{}" in one.value for one in inner)
            found.inner.append(Inner(inner, complete=not open_ended))
            found.unclear |= "{}" in inner[0].value
    return found


def _container(words: Sequence[Word]) -> Unwrapped | None:
    """`docker exec`, `podman run`, `kubectl exec`: the command behind the container's name."""
    verb = next((at for at, one in enumerate(words) if one.value in ("exec", "run", "debug")), 0)
    found = Unwrapped()
    if not verb:
        return None
    dashes = next((at for at, one in enumerate(words) if one.value == "--"), 0)
    if dashes:
        rest = list(words[dashes + 1 :])
    else:
        at, found = _past_options(words, verb + 1, _CONTAINER)
        rest = list(words[at + 1 :])
    if rest:
        found.inner.append(Inner(rest, tags=frozenset({"contained"})))
    found.alone = not rest
    return found


_CONTAINER: Final = Prefix(
    "itdqTPR", "ceuvwpnlhmeacf",
    "interactive tty detach rm privileged stdin quiet init read-only no-healthcheck publish-all oom-kill-disable all-containers",
    "env user workdir env-file detach-keys volume name network entrypoint mount publish container namespace label "
    "hostname memory cpus cap-add cap-drop device pid ipc uts userns security-opt index filename add-host dns expose "
    "group-add link log-driver log-opt platform pull restart runtime tmpfs ulimit context host kubeconfig image target",
)  # fmt: skip


def _ip(words: Sequence[Word]) -> Unwrapped | None:
    """`ip netns exec NAME command…`, `ip vrf exec NAME command…`."""
    at = next((at for at, one in enumerate(words) if one.value == "exec"), 0)
    if at <= len(("netns",)) or not any(one.value in ("netns", "net", "vrf") for one in words[1:at]):
        unclear = any(not one.literal for one in words[1:])
        return Unwrapped(unclear=True) if unclear else None
    return Unwrapped([Inner(list(words[at + 2 :]))], alone=at + 2 >= len(words))


def _parallel(words: Sequence[Word]) -> Unwrapped:
    """Its command is a text, to which words are added; its options are too many to tell apart."""
    rest = list(words[1:])
    end = next((at for at, one in enumerate(rest) if one.value.startswith(":::")), len(rest))
    template = rest[:end]
    while template and template[0].value.startswith("-"):
        template = template[2:] if template[0].value in ("-j", "-a", "-n", "-N", "-I", "-S", "-d") else template[1:]
    found = Unwrapped(unclear=bool(template) and template is not rest and len(template) < end)
    if template:
        found.inner.append(Inner(rest, _joined(template), complete=False))
    else:
        found.unclear = True
    return found


def _trap(words: Sequence[Word]) -> Unwrapped:
    rest = [one for one in words[1:] if one.value != "--"]
    if len(rest) <= len(("code",)) or rest[0].value.startswith("-"):
        return Unwrapped()
    return Unwrapped([Inner([rest[0]], rest[0])] if rest[0].value else [])


def _alias(words: Sequence[Word]) -> Unwrapped:
    texts = [Word(value, value, one.literal) for one in words[1:]
             for _, mark, value in [one.value.partition("=")] if mark]  # fmt: skip
    return Unwrapped([Inner(list(words[1:]), one, complete=False) for one in texts])


def _callback(words: Sequence[Word]) -> Unwrapped:
    """`complete -C text`, `mapfile -C text`: code that bash runs later."""
    text = _value_of(words[1:], "C", "callback")
    return Unwrapped([Inner([text], text, complete=False)] if text else [])


def _exec_option(words: Sequence[Word]) -> Unwrapped:
    """`fd … -x command`, `fd … --exec command`."""
    at = next((at for at, one in enumerate(words)
               if one.value in ("-x", "-X", "--exec", "--exec-batch")), 0)  # fmt: skip
    return Unwrapped([Inner(list(words[at + 1 :]), complete=False)] if at else [])


_SPECIAL: Final[dict[str, Callable[[Sequence[Word]], Unwrapped | None]]] = {
    "eval": _eval, "watch": _watch, "su": _su, "runuser": _su, "script": _with_text,
    "sg": _with_text, "flock": _flock, "ssh": _ssh, "slogin": _ssh, "autossh": _ssh, "find": _find,
    "gfind": _find, "docker": _container, "podman": _container, "nerdctl": _container,
    "kubectl": _container, "oc": _container, "crictl": _container, "lxc": _container,
    "docker-compose": _container, "ip": _ip, "parallel": _parallel, "trap": _trap,
    "alias": _alias, "complete": _callback, "compgen": _callback, "mapfile": _callback,
    "readarray": _callback, "fd": _exec_option, "fdfind": _exec_option,
}  # fmt: skip


def program_of(word: Word) -> str:
    """The name of a program, without its directory."""
    return word.value.rstrip("/").rpartition("/")[2] or word.value
