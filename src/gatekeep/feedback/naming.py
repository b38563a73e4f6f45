"""The names of suggestions: stable ids, and titles that people can read aloud.

Puts words together; what is suggested is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Final

from gatekeep.domain.likeness import LikeSlot
from gatekeep.domain.suggestions import (
    ID_DIGITS,
    SlotBound,
    SlotScope,
    SuggestionKind,
    SuggestionScope,
)

_PREFIX: Final = "S-"
_SHOWN_SET: Final = 4
_SHOWN_TEXT: Final = 120
_SLOT: Final = re.compile(r"\$([1-9][0-9]*)(:[a-z]+)?")
_PRODUCTION: Final = frozenset({"prod", "production"})


def suggestion_id(kind: SuggestionKind, sources: Sequence[str], scope: SuggestionScope) -> str:
    """`S-` and 8 hex digits that stay the same while it is about the same thing.

    Targets, labels, group and the values of a set are left out on purpose: else one more target or
    value would make a dismissed suggestion a new one.
    """
    about = [
        kind.value, sorted(sources), scope.action, scope.environment, scope.account,
        scope.database, sorted(scope.templates), scope.verb, list(scope.tables_read),
        list(scope.tables_written),
        [list(one.values) if one.bound is SlotBound.EXACT else "*" for one in scope.slots],
    ]  # fmt: skip
    if not kind.loosens:
        about += [scope.group, list(scope.where)]
    if kind is SuggestionKind.ALERT:
        about.append(sorted(scope.targets))
    digest = hashlib.sha256(json.dumps(about, ensure_ascii=True).encode()).hexdigest()
    return _PREFIX + digest[:ID_DIGITS]


def rule_id(suggestion: str) -> str:
    """The `@id` of the rule that a suggestion would write."""
    return f"adopted-{suggestion.removeprefix(_PREFIX)}"


def form_of(template: str, slots: Sequence[SlotScope]) -> str:
    """A template with what its slots may hold: one value, `{a, b}`, `/var/log/app/*`, `*`."""
    written = sum(bool(one[2]) for one in _SLOT.finditer(template))

    def fill(found: re.Match[str]) -> str:
        at = int(found[1]) - 1 + (0 if found[2] else written)
        return held(slots[at]) if at < len(slots) else found[0]

    return _SLOT.sub(fill, template) if slots else template


def held(slot: SlotScope) -> str:
    """What a slot may hold, for people."""
    if slot.bound is SlotBound.ANY:
        return "*"
    if slot.bound is SlotBound.PREFIX:
        return f"{slot.values[0]}*"
    if slot.bound is SlotBound.EXACT:
        return slot.values[0]
    more = len(slot.values) - _SHOWN_SET
    shown = [*slot.values[:_SHOWN_SET], *([f"{more} more"] if more > 0 else [])]
    return "{" + ", ".join(shown) + "}"


def exactly(slots: Sequence[LikeSlot]) -> tuple[SlotScope, ...]:
    """Slots that hold these values and no others."""
    return tuple(SlotScope(SlotBound.EXACT, (one.value,)) for one in slots)


def cut(text: str) -> str:
    """A text short enough for a title, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_TEXT else line[: _SHOWN_TEXT - 1] + "…"


def where_of(scope: SuggestionScope) -> str:
    """`production targets labelled role=web`, or the targets by name where they share no label."""
    if scope.labels:
        what = "production targets" if _production(scope) else _targets(scope)
        return f"{what} labelled {', '.join(scope.labels[:3])}"
    names = list(scope.targets[:_SHOWN_SET])
    more = len(scope.targets) - len(names)
    if more > 0:
        names.append(f"{more} more")
    return listed(names) if names else "production" if _production(scope) else _targets(scope)


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < len("ab"):
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def times(count: int) -> str:
    """`once`, `twice`, `5 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _production(scope: SuggestionScope) -> bool:
    return is_production(scope.environment)


def is_production(environment: str) -> bool:
    """Whether an environment is production by name."""
    return environment.lower() in _PRODUCTION


def _targets(scope: SuggestionScope) -> str:
    return f"{scope.environment} targets" if scope.environment else "targets"
