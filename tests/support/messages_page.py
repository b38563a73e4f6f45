"""Writes docs/messages.md from `gatekeep.messages`: every sentence that a client may meet.

`python tests/support/messages_page.py` writes it; an architecture test compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gatekeep import messages
from gatekeep.messages import Place, RuleWords, WireMessage, approvals

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
    "told": approvals.Waiting(
        "K3F9", "orders-prod", [["dba"]], ["bob", "carol"],
        approvals.headline("DELETE", ["public.customers"], "absent"), "prod-writes-need-dba", 900,
        estimate="about 1,204,331 rows", link="https://gw.example/r/K3F9",
        context="request K3F9, rule prod-writes-need-dba, policy 7f3a9c2, session S-8QZ4",
    ),
    "request": "K3F9",
    "left_s": 780,
    "context": "request K3F9, rule prod-writes-need-dba, policy 7f3a9c2, session S-8QZ4",
    "groups": ["dba-lead"],
    "persons": ["bob"],
    "by": "bob",
    "rule": RuleWords("prod-writes-need-dba", context="request K3F9, rule prod-writes-need-dba"),
    "open_s": 900,
    "then": ["dba-lead"],
    "changed": "search_path",
    "count": 5,
    "wait_s": 720,
    "farewell": messages.session_killed("token revoked"),
}
#: Where a name means another thing than in most sentences.
SPECIAL: dict[str, dict[str, Any]] = {
    "denied": {"reason": "run it on the replica first."},
    "expired": {"asked": ["bob", "carol"]},
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
    """Name, meaning and an example of each message, in the order of the modules."""
    for name, function in (*vars(messages).items(), *vars(approvals).items()):
        if _is_sentence(function):
            examples = EXAMPLES | SPECIAL.get(name, {})
            given = {
                parameter: examples[parameter]
                for parameter in inspect.signature(function).parameters
            }
            yield name, inspect.getdoc(function) or "", function(**given)


def _is_sentence(function: Any) -> bool:
    return (
        inspect.isfunction(function)
        and function.__module__ in (messages.__name__, approvals.__name__)
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
