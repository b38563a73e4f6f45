"""Writes docs/messages.md from `gatekeep.messages`: every sentence that a client may meet.

`python tests/support/messages_page.py` writes it; an architecture test compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gatekeep import messages
from gatekeep.messages import Place, RuleWords, WireMessage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "messages.md"

# One example for each parameter's name; a new name without one fails the test.
EXAMPLES: dict[str, Any] = {
    "verb": "DROP TABLE",
    "target": "orders",
    "words": RuleWords("no-drop", "tables are dropped by migrations only", "bob"),
    "place": Place(2, 3),
    "incident": "5f2c9a01",
    "what": "SET SESSION AUTHORIZATION",
    "reason": "token revoked",
    "limit_mib": 16,
    "accounts": ["app", "dba"],
    "principal": "alice",
    "name": "search_path",
    "near": ["orders"],
    "why": "is not permitted here",
    "asked": "LATIN1",
    "sqlstate": "28P01",
    "says": "password authentication failed",
}

_HEAD = """\
# Messages

Every sentence that gatekeep says to a Postgres client, with example values. Made from
`src/gatekeep/messages/` by `make docs`, so the words here are the words on the wire.

Form: a lower-case primary line without a full stop, facts in DETAIL, advice in HINT, and for
programs the request, rule, policy version and session in CONTEXT. Text that came from people or
from a target is escaped and cut at 200 characters. What a target says in its own name and begins
with `gatekeep` is prefixed `target says: `.
"""


def sentences() -> Iterator[tuple[str, str, WireMessage]]:
    """Name, meaning and an example of each message, in the order of the module."""
    for name, function in vars(messages).items():
        if _is_sentence(function):
            given = {
                parameter: EXAMPLES[parameter]
                for parameter in inspect.signature(function).parameters
            }
            yield name, inspect.getdoc(function) or "", function(**given)


def _is_sentence(function: Any) -> bool:
    return (
        inspect.isfunction(function)
        and function.__module__ == messages.__name__
        and not function.__name__.startswith("_")
        and inspect.signature(function).return_annotation == "WireMessage"
    )


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name, meaning, message in sentences():
        parts.append(f"\n## {name.replace('_', ' ')}\n\n{_first_paragraph(meaning)}\n\n```\n")
        parts.append(f"{message.severity}:  {message.sqlstate}: {message.primary}\n")
        for label in ("detail", "hint", "context"):
            text = getattr(message, label)
            if text:
                parts.append(f"{label.upper()}:  {text}\n")
        parts.append("```\n")
    return "".join(parts)


def _first_paragraph(meaning: str) -> str:
    return meaning.split("\n\n", maxsplit=1)[0].replace("\n", " ")


def main(write: Callable[[str], object] = PAGE.write_text) -> None:
    """Write the page."""
    write(page())


if __name__ == "__main__":
    main()
