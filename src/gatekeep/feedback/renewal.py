"""The renewal of an adopted relaxation that was right and is about to end: the same text, later days.

A suggestion of its own, with its own id, proof and acceptances; nothing is ever prolonged by itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import (
    DAY_US,
    ID_DIGITS,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.feedback.ending import EPOCH, LONGEST_DAYS

BEFORE_US: Final = 14 * DAY_US
"""So long before the end it is proposed."""

_ID: Final = re.compile(r'@id\("[^"]*"\)')
_EXPIRES: Final = re.compile(r'@expires\("[^"]*"\)')
_DAY: Final = re.compile(r"\bcontext\.day < [0-9]+")


def renewal_of(life: SuggestionLife, now_us: int) -> Suggestion | None:
    """What would go on where this ends, not yet proven; None where nothing should."""
    suggestion, effect = life.suggestion, life.effect
    due = life.state in {SuggestionState.ACTIVE, SuggestionState.VERIFIED} and (
        life.expires_us - BEFORE_US <= now_us < life.expires_us
    )
    if suggestion.kind is not SuggestionKind.RELAX or not due or effect.denied or not effect.agreed:
        return None
    said = f"renewal {suggestion.id} {life.expires_us}"
    digits = hashlib.sha256(said.encode()).hexdigest()[:ID_DIGITS]
    rule_id = f"adopted-{digits}"
    rule = _with_days(suggestion.rule, rule_id, now_us // DAY_US + LONGEST_DAYS)
    if rule is None:
        return None
    return replace(
        suggestion, id=f"S-{digits}", rule_id=rule_id, rule=rule, narrower="", checks=(), backtest=None,
        title=f"Go on: {suggestion.title}", advice=f"{suggestion.id} ends soon; {effect.words}",
    )  # fmt: skip


def _with_days(rule: str, rule_id: str, end: int) -> str | None:
    """The accepted text under another id and with other days; None if it is not ours to read."""
    last = (EPOCH + dt.timedelta(days=end - 1)).isoformat()
    text, ids = _ID.subn(f'@id("{rule_id}")', rule)
    text, days = _DAY.subn(f"context.day < {end}", text)
    text, dates = _EXPIRES.subn(f'@expires("{last}")', text)
    return text if ids == days == 1 and dates <= 1 else None
