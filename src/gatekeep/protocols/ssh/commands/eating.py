"""Scripts on standard input: a shell reads them while they run, and what they run may eat the rest.

`read x` takes the next line away from the shell, `cat` all that is left. What then stands in front
of a here-document or a quote is read otherwise than it was judged. So a command that is not known to
leave standard input alone makes such a script uncertain, unless its input comes from elsewhere, or
nothing that the shell has still to read stands behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gatekeep.protocols.ssh.commands.readers import only_reads
from gatekeep.protocols.ssh.commands.script import Script, SimpleCommand
from gatekeep.protocols.ssh.commands.unwrapping import program_of, unwrap
from gatekeep.protocols.ssh.commands.words import Word


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Whatever they are given, they do not read standard input.
_NEVER: Final = _names(
    "echo printf cd pwd ls mkdir rmdir touch chmod chown chgrp test [ [[ (( true false : exit return"
    " break continue set unset export declare typeset local readonly shift umask ulimit sleep uname"
    " id whoami groups df uptime free kill stat readlink realpath basename dirname type seq nproc"
    " arch mktemp wait jobs let shopt ps truncate"
)
#: Nor do these, if no option of these letters and none of these words is among what they are given.
_SELDOM: Final = {
    "rm": "iI", "cp": "i", "mv": "i", "ln": "i", "date": "f", "du": "", "hostname": "F",
    "systemctl": "", "journalctl": "", "lsblk": "", "lscpu": "", "getent": "", "killall": "i",
    "pgrep": "F", "pkill": "F", "crontab": "", "useradd": "", "usermod": "",
}  # fmt: skip
_WITH_INPUT: Final = _names("edit ask-password --interactive --stdin --pidfile -e -r")
#: These read standard input where no file is named: how many words are then no names, and the
#: letters of options that take no value.
_FILTERS: Final = {
    "cat": (0, "AbeEnstTuv"), "tac": (0, "b"), "head": (0, "qvz"), "tail": (0, "qvz"),
    "wc": (0, "clmLw"), "sort": (0, "bdfghiMnRrsuVz"), "nl": (0, ""), "rev": (0, ""),
    "md5sum": (0, "bctz"), "sha1sum": (0, "bctz"), "sha256sum": (0, "bctz"), "sha512sum": (0, "bctz"),
    "file": (0, "bikL"), "diff": (1, "abBiNqrsuw"), "cmp": (1, "bls"), "grep": (1, "EFGPHIabchHilLnoqrRsvwx"),
    "egrep": (1, "abchHilLnoqsvwx"), "fgrep": (1, "abchHilLnoqsvwx"), "sed": (1, "nErsi"), "awk": (1, ""),
}  # fmt: skip
_COUNTED: Final = frozenset({"head", "tail"})
#: They hand their standard input on to what they run.
_WRAPPERS: Final = _names("sudo doas env nice ionice timeout nohup time command builtin stdbuf ! {")
_SUBSTITUTE: Final = re.compile(r"s/[\w .:-]*/[\w .:-]*/g?p?")
_KEPT_STREAM: Final = re.compile(r"[12]|-")


def may_eat_itself(script: Script) -> bool:
    """Whether a script, read from standard input, might be read otherwise than it is written."""
    return any(
        command.at < script.last_line and (_copies_input(command) or _reads_input(command))
        for command in script.commands
    )


def _copies_input(command: SimpleCommand) -> bool:
    """Whether a redirection may open standard input a second time, under whatever number."""
    for one in command.redirections:
        if one.operator in (">&", "<&"):
            copies = bool(one.target.written) and not _is_kept_stream(one.target)
        else:
            copies = one.operator.startswith("<") and not _is_elsewhere(one.target)
        if copies:
            return True
    return False


def _is_kept_stream(word: Word) -> bool:
    return word.literal and _KEPT_STREAM.fullmatch(word.value) is not None


def _is_elsewhere(word: Word) -> bool:
    """A file of this name, or an output, is not the script's own input."""
    if word.written.startswith("<("):
        return True
    value = word.value
    return word.literal and (value == "/dev/null" or not is_a_stream(value))


def is_a_stream(value: str) -> bool:
    """Whether a word may name what is open already, as `/dev/stdin`, and not a file."""
    return "/dev/" in value or "/proc/" in value or "stdin" in value


def _reads_input(command: SimpleCommand) -> bool:
    if any(word.value == "exec" for word in command.words):
        return True  # its redirections are the shell's own from then on
    if command.piped or command.fed:
        return False
    return bool(command.words) and not leaves_input_alone(command.words)


def leaves_input_alone(words: Sequence[Word]) -> bool:
    """Whether a command of these words is known not to read standard input. False in doubt."""
    program, rest = program_of(words[0]) if words[0].literal else "", words[1:]
    if program in _NEVER:
        return not any(word.literal and is_a_stream(word.value) for word in rest)
    values = [word.value for word in rest]
    if not all(word.literal for word in rest) or any(map(is_a_stream, values)):
        return False
    if program in _WRAPPERS:
        return _hands_it_to_nobody(program, words)
    if program in _SELDOM:
        return not any(_asks(value, _SELDOM[program]) for value in values)
    if program == "find":
        return only_reads(program, values)
    return program in _FILTERS and _names_files(program, values)


def _hands_it_to_nobody(program: str, words: Sequence[Word]) -> bool:
    inside = unwrap(program, words)
    if inside is None or inside.unclear or inside.alone or not inside.inner:
        return False
    own = {word.value for word in inside.own(words)[1:]}
    if program in ("sudo", "doas") and any(one.startswith("-") and one != "-n" for one in own):
        return False
    return all(
        inner.text is None and bool(inner.words) and leaves_input_alone(inner.words)
        for inner in inside.inner
    )


def _asks(value: str, letters: str) -> bool:
    if value == "-" or value in _WITH_INPUT or value.startswith(("--files0", "--file", "--inter")):
        return True
    short = value.startswith("-") and not value.startswith("--")
    return short and not set(letters).isdisjoint(value[1:])


def _names_files(program: str, values: Sequence[str]) -> bool:
    """Whether it is certain that a file is named, so that standard input is not read."""
    before, letters = _FILTERS[program]
    plain: list[str] = []
    counted = False
    for value in values:
        if counted and value.lstrip("+").isdigit():
            counted = False
        elif value[:1] != "-":
            plain.append(value)
        else:
            counted = program in _COUNTED and value in ("-n", "-c")
            if not (counted or _takes_nothing(program, value, letters)):
                return False
    if len(plain) <= before:
        return False
    if program in ("awk", "sed"):
        return only_reads(program, values) or (
            program == "sed" and _SUBSTITUTE.fullmatch(plain[0]) is not None
        )
    return True


def _takes_nothing(program: str, option: str, letters: str) -> bool:
    """Whether the word behind an option is surely not its value. `-` alone is standard input."""
    if program in _COUNTED and option[1:].lstrip("nc").isdigit():
        return True
    return len(option) > 1 and set(option[1:]) <= set(letters)
