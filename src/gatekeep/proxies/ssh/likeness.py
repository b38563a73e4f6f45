"""Which actions over SSH have a likeness, and what it is; `protocols.ssh` makes one of a text.

Decides nothing: what has none is asked about as ever.
"""

from __future__ import annotations

import re
from typing import Final

from gatekeep.domain.commands import Assurance, CommandFacts, SshAction
from gatekeep.domain.likeness import Likeness
from gatekeep.protocols.ssh.commands.likeness import command_likeness
from gatekeep.proxies.ssh.bindings import Around

_BESIDE: Final = ("script_sha256", "pinned")
_LOCALE: Final = frozenset(
    {
        "LANG", "LANGUAGE", "LC_ADDRESS", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION",
        "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER",
        "LC_TELEPHONE", "LC_TIME",
    }
)  # fmt: skip
"""What clients send by themselves: in which language a program speaks."""
_UTF8: Final = re.compile(
    r"(?:|C|POSIX|UTF-8|(?:C|[a-z]{2,3}(?:_[A-Z]{2})?)\.(?:UTF-8|utf-?8)(?:@[a-z]{1,16})?)"
)
_LANGUAGES: Final = re.compile(r"[A-Za-z_:]{0,64}")
"""Their values: under another encoding the shell may read a text otherwise, and a path leads to a file."""


def likeness_of(action: SshAction, around: Around) -> Likeness | None:
    """Of one command that runs alone, from its text alone; else None.

    Not of a line in a shell, which means what that shell has been told before, nor of what runs with
    a terminal, with a lent agent, with a script, or with variables that may change what it does.
    """
    alone = (
        action.mode == around.kind == "exec"
        and action.resolved
        and action.assurance is Assurance.EXACT
        and action.redacted in ("", action.text)
        and not any(action.details.get(name) for name in _BESIDE)
    )
    plain = not around.terminal and not around.agent and not around.subsystem
    if not (alone and plain) or len(action.facts) != 1:
        return None
    if not all(_of_language(_text(name), _text(value)) for name, value in around.environment.items()):
        return None
    facts = [one for one in action.facts if isinstance(one, CommandFacts)]
    return command_likeness(action.text, facts) if facts else None


def _of_language(name: str, value: str) -> bool:
    """Whether a variable says nothing but in which language a program speaks."""
    plain = _LANGUAGES if name == "LANGUAGE" else _UTF8
    return name in _LOCALE and plain.fullmatch(value) is not None


def _text(word: bytes | str) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else word
