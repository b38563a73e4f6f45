"""Policies in which a rule was adopted: what another rule asks about then passes, but for samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gatekeep.domain.likeness import Likeness
from gatekeep.domain.suggestions import (
    DAY_US,
    SlotBound,
    SlotScope,
    SourceRule,
    SuggestionScope,
)
from gatekeep.gate.sampling import Sampler
from gatekeep.gate.sampling_ports import DrawKind
from gatekeep.policy.loading import load
from gatekeep.policy.standing import write_standing
from gatekeep.runtime.clock import SystemClock

RULE = "adopted-3f9a12bc"
_NEVER = 60_000


def source_of(policy: str, rule: str) -> SourceRule:
    """A rule as it is now: an adopted rule holds for no other text of it."""
    (found,) = (one for one in load({"rules.cedar": policy}).rules if one.id == rule)
    return SourceRule(rule, hashlib.sha256(found.text.encode()).hexdigest()[:12])


def adopted(policy: str, scope: SuggestionScope, *rules: str) -> str:
    """The policy with what was adopted of what these rules, together, ask about."""
    written = write_standing(
        RULE, "What is always approved passes", "41 of 41 were approved", _NEVER, scope,
        [source_of(policy, rule) for rule in rules],
    )  # fmt: skip
    return f"{policy}\n{written}"


def deletions(template: str, values: Sequence[str], database: str, *tables: str) -> SuggestionScope:
    """Deletions from these tables by one number, one of these only, by engineers."""
    return SuggestionScope(
        "engineers", "sql.write", "", ("orders",), "postgres", database, verb="DELETE",
        templates=(template,), slots=(SlotScope(SlotBound.ANY_OF, tuple(values)),),
        tables_read=tables, tables_written=tables,
    )  # fmt: skip


def drawn(sampler: Sampler, likenesses: Sequence[Likeness], kind: DrawKind) -> int:
    """Which of these the rule, which is long in force, treats so today when alice does it.

    The next match is a sample only where one is asked for.
    """
    now = SystemClock().wall_us()
    last_us = now if kind is DrawKind.PASS else now - 8 * DAY_US
    for at, likeness in enumerate(likenesses):
        _adopt(sampler, now, last_us)
        if sampler.draw((RULE,), "alice", likeness, now).kind is kind:
            _adopt(sampler, now, last_us)
            return at
    raise AssertionError(kind)


def _adopt(sampler: Sampler, now: int, last_us: int) -> None:
    sampler.forget(RULE)
    sampler.adopt(RULE, now - 100 * DAY_US, 500, last_us)
