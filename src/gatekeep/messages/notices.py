"""What people read of decisions by rules with `@notify`: who, where, what came of it, where to look.

Takes plain values; nothing is markup, and what peers wrote is made legible and cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatekeep.messages.legible import seen

_NAME: Final = 63
_TITLE: Final = 120
_WHAT: Final = 300
_ORDER: Final = ("opened", "asked", "released", "refused")
_WORDS: Final = {"opened": "session opened"}


def title(count: int) -> str:
    """What a lock screen shows: no name and no text."""
    return f"gatekeep: {count:,} {'decision' if count == 1 else 'decisions'} of rules that notify"


def rule(name: str, said: str) -> str:
    """The rule, and its title."""
    return f"{_short(name, _NAME)} ({_short(said, _TITLE)})" if said else _short(name, _NAME)


def came_to(principal: str, target: str, counts: Mapping[str, int]) -> str:
    """`alice on orders-prod: asked, 12 times released`."""
    parts = [
        f"{counts[name]:,} times {_WORDS.get(name, name)}" if counts[name] > 1 else _WORDS.get(name, name)
        for name in _ORDER
        if counts.get(name)
    ]
    return f"{_short(principal, _NAME)} on {_short(target, _NAME)}: {', '.join(parts)}"


def what(verb: str, template: str) -> str:
    """The template where there is one, else its verb."""
    return _short(template or verb, _WHAT)


def where(session_code: str, n: int, *, several: bool) -> str:
    """Where the rest is to be read."""
    last = "last: " if several else ""
    return f"{session_code} · {last}gatekeep audit show {n}"


def left_out(count: int) -> str:
    """What found no room."""
    more = "1 more decision was" if count == 1 else f"{count:,} more decisions were"
    return f"{more} too much at once and not told; the record has all of them."


def _short(text: str, limit: int) -> str:
    """Foreign text on one line, legible, cut."""
    shown = seen(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
