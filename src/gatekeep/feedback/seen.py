"""What somebody was shown of a suggestion, as a digest: whoever accepts it names it.

Covers what would change and what speaks against it, not the counts that grow by the hour.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Final

from gatekeep.domain.suggestions import Suggestion

SHOWN_DIGITS: Final = 12
"""So many digits of it are enough."""


def seen_digest(suggestion: Suggestion) -> str:
    """SHA-256 in hex over the change, its scope, and all that speaks against it."""
    backtest = suggestion.backtest
    facts = {
        "id": suggestion.id,
        "kind": suggestion.kind.value,
        "sources": [one.mark for one in suggestion.sources],
        "scope": asdict(suggestion.scope),
        "rule": suggestion.rule,
        "rule_id": suggestion.rule_id,
        "before": suggestion.before,
        "advice": suggestion.advice,
        "narrower": suggestion.narrower,
        "denied": suggestion.vector.denied,
        "incidents": suggestion.vector.incidents,
        "failed": sorted(one.name for one in suggestion.checks if not one.passed),
        "replay": None if backtest is None else [backtest.passed, backtest.denied_now_passing],
    }
    written = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def is_seen(suggestion: Suggestion, given: str) -> bool:
    """Whether these digits, 12 or more, are those of the suggestion as it stands."""
    return len(given) >= SHOWN_DIGITS and seen_digest(suggestion).startswith(given.lower())
