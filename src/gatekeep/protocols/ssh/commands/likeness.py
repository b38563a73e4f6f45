"""What a command has in common with its like: its words, with numbers and paths as slots.

From the text as events hold it, so that gate and journal come to the same. Strict rather than
clever: whatever is more than one simple command of literal words has no likeness.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from gatekeep.domain.commands import EXEC, LINE, CommandFacts, TunnelFacts
from gatekeep.domain.likeness import MOST_SLOTS, Likeness, LikeSlot
from gatekeep.protocols.ssh.commands.eating import is_a_stream, leaves_input_alone
from gatekeep.protocols.ssh.commands.grammar import read_script
from gatekeep.protocols.ssh.commands.script import SimpleCommand
from gatekeep.protocols.ssh.commands.secrets import MASK
from gatekeep.protocols.ssh.commands.unwrapping import program_of, unwrap
from gatekeep.protocols.ssh.commands.words import Word

MOST_WORDS: Final = 64

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:=,+@%^-]+")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_TILDE: Final = re.compile(r"(?:^|[:=])~")

#: Options without a value, whose order means nothing. Elsewhere it may: `find . -delete -empty`.
_ORDERLESS: Final = {
    "systemctl": frozenset({"--no-pager", "--quiet", "-q", "--no-block", "--no-ask-password", "--full", "-l"}),
    "ls": frozenset({"-l", "-a", "-h", "-d", "-i", "-s", "-la", "-al", "-lh", "-lah"}),
    "df": frozenset({"-h", "-T", "-i", "-a"}),
    "du": frozenset({"-h", "-s", "-c", "-x", "-sh"}),
    "grep": frozenset({"-i", "-n", "-r", "-w", "-v", "-c", "-H", "-in", "-rn"}),
}


def command_likeness(
    text: str, facts: Sequence[CommandFacts | TunnelFacts]
) -> Likeness | None:
    """The likeness of a command line with these facts; `text` is redacted.

    The template holds the words as a shell would read them again: whole numbers are `$k:number`,
    words that begin with `/` or `./` are `$k:path` (sensitive unless the command only reads), and
    everything else stands as it is, programs above all. Options change places only where they are
    known to mean the same. None where it has none: more than one
    simple command, anything but literal words, a script in a word, something hidden, a path with
    `..`, characters that do not show, more slots than rules can name, or a deed that comes from
    standard input, which no text tells (`tee /srv/flags`, `patch -p1`).
    """
    if not facts or MASK in text or not all(map(_known, facts)):
        return None
    command = _only_command(text)
    programs = _programs(command.words) if command is not None else None
    if command is None or programs is None:
        return None
    harmless = all("reads_only" in fact.tags for fact in facts)
    if not harmless and _may_be_fed(command.words, facts):
        return None
    template: list[str] = []
    slots: list[LikeSlot] = []
    for word in _ordered(command.words):
        kind = "" if id(word) in programs else _slot_type(word.value)
        if not kind:
            template.append(word.value if _PLAIN.fullmatch(word.value) else shlex.quote(word.value))
            continue
        slots.append(LikeSlot(kind, word.value, sensitive=kind == "path" and not harmless))
        template.append(f"${len(slots)}:{kind}")
    if len(slots) > MOST_SLOTS:
        return None
    return Likeness(" ".join(template), tuple(slots))


def _known(fact: CommandFacts | TunnelFacts) -> bool:
    """Whether it is a command of which every word is known."""
    return isinstance(fact, CommandFacts) and fact.action in {EXEC, LINE} and fact.complete


def _may_be_fed(words: Sequence[Word], facts: Sequence[CommandFacts | TunnelFacts]) -> bool:
    """Whether what it does may come from standard input.

    Of what writes files that must be ruled out; of programs that nobody reviewed only the words say
    something, `-` and `/dev/stdin` above all.
    """
    if any("writes" in fact.tags for fact in facts):
        return not leaves_input_alone(words)
    return any(word.value == "-" or is_a_stream(word.value) for word in words[1:])


def _only_command(text: str) -> SimpleCommand | None:
    """The one simple command that a text is, and nothing besides: words and blanks."""
    if len(text) > MOST_WORDS * 1024 or not all(one.isprintable() or one in "\t\n" for one in text):
        return None
    script = read_script(text)
    if script is None or script.broken or script.doubtful or script.functions:
        return None
    if len(script.commands) != 1:
        return None
    command = script.commands[0]
    if command.assignments or command.redirections or command.script or command.piped:
        return None
    words = command.words
    if not 0 < len(words) <= MOST_WORDS or not all(map(_literal, words)):
        return None
    # What stands between words decides as well: `&`, `!`, a comment, brackets.
    spaced = r"[ \t]+".join(re.escape(word.written) for word in words)
    return command if re.fullmatch(rf"[ \t]*{spaced}[ \t]*\n?", text) else None


def _literal(word: Word) -> bool:
    return (
        word.literal
        and not word.odd
        and not word.globs
        and _TILDE.search(word.value) is None
        and word.value.isprintable()
        and ".." not in word.value.split("/")
    )


def _programs(words: list[Word]) -> set[int] | None:
    """The identities of the words that name programs, through `sudo`, `env` and their kin.

    None where not each is known, or a word is a script itself (`bash -c`, `su -c`, `ssh`).
    """
    found: set[int] = set()
    waiting = [words]
    while waiting:
        one = waiting.pop()
        if not one or id(one[0]) in found:
            return None
        found.add(id(one[0]))
        inside = unwrap(program_of(one[0]), one)
        if inside is None:
            continue
        if inside.unclear or any(it.text is not None or not it.complete for it in inside.inner):
            return None
        waiting += [it.words for it in inside.inner]
    return found


def _slot_type(word: str) -> str:
    if _NUMBER.fullmatch(word):
        return "number"
    return "path" if word.startswith(("/", "./")) else ""


def _ordered(words: list[Word]) -> Iterable[Word]:
    """The words, neighbouring options in one order where that means nothing to the program."""
    known = _ORDERLESS.get(program_of(words[0]), frozenset())
    if not all(one.value in known for one in words if one.value.startswith("-")):
        return words
    return [
        word
        for orderless, run in groupby(words, lambda one: one.value in known)
        for word in (sorted(run, key=lambda one: one.value) if orderless else run)
    ]
