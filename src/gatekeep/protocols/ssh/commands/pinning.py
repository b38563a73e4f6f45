"""A command that runs a script file, turned into one that runs exactly the bytes that were read.

Whoever may write a file on the target may change it between the decision and the run. So the text is
read first, judged, and handed to the interpreter on standard input in place of the file. All of it is
taken in before any of it runs: nothing in it can read the rest of it (see `eating`).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from gatekeep.protocols.ssh.commands.grammar import read_script

PINNED: Final = "pinned_file"
"""Tag of a command whose script file was read, judged and is what runs."""

_INTERPRETERS: Final = ("bash", "sh")
_FIRST_LINE: Final = re.compile(
    rb"#![ \t]*(?:(?:/usr)?/bin/|/usr/bin/env[ \t]+)(bash|sh)(?:[ \t]+(-[eux]{1,3}))?[ \t]*\n"
)
_WHOLE: Final = 'eval " $(command -p cat)"'


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """`path` run with `arguments`, by the interpreter that is named, or else by its first line's."""

    path: str
    arguments: tuple[str, ...]
    interpreter: str = ""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What is run in place of the file: `line` with the bytes of `text` on its standard input."""

    line: str
    text: str
    interpreter: str


def script_file(line: str) -> ScriptFile | None:
    """The script file that a command line runs, if it does that and nothing else."""
    script = read_script(line)
    if script is None or script.broken or script.doubtful or len(script.commands) != 1:
        return None
    command = script.commands[0]
    if command.redirections or command.assignments or command.script or not command.words:
        return None
    if not all(word.literal and not word.written.startswith("~") for word in command.words):
        return None
    first, *rest = (word.value for word in command.words)
    if first in _INTERPRETERS:
        if not rest or not rest[0] or rest[0].startswith(("-", "+")):
            return None
        return ScriptFile(rest[0], tuple(rest[1:]), first)
    return ScriptFile(first, tuple(rest)) if "/" in first else None


def pin(file: ScriptFile, content: bytes, *, executable: bool) -> Pinned | None:
    """The command that runs these bytes; None where they are no script of a shell that we read."""
    interpreter, option = file.interpreter, ""
    if not interpreter:
        named = _FIRST_LINE.match(content)
        if named is None or not executable:
            return None
        interpreter, option = named[1].decode(), (named[2] or b"").decode()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    words = [interpreter, *filter(None, [option]), "-c", _WHOLE, file.path, *file.arguments]
    return Pinned(shlex.join(words), text, interpreter)
