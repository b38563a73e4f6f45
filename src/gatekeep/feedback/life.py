"""The life of a suggestion: which changes there are, and when each is due. Pure; nothing is kept here.

The table of docs/loop.md as data. Everything goes through `_moved`, which makes no other change.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import (
    DAY_US,
    MUTED_DAYS,
    WEEK_US,
    Acceptance,
    Effect,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.feedback.ending import LONGEST_DAYS, text_ends_us

_S = SuggestionState

TABLE: Final[Mapping[SuggestionState, frozenset[SuggestionState]]] = {
    _S.CANDIDATE: frozenset({_S.PROPOSED}),
    _S.PROPOSED: frozenset({_S.PROPOSED, _S.ACCEPTED, _S.DISMISSED, _S.SNOOZED, _S.EXPIRED}),
    _S.SNOOZED: frozenset({_S.PROPOSED, _S.ACCEPTED, _S.DISMISSED, _S.SNOOZED, _S.EXPIRED}),
    _S.ACCEPTED: frozenset({_S.SHADOW, _S.CANARY, _S.ACTIVE, _S.VERIFIED, _S.REVERTED, _S.EXPIRED}),
    _S.SHADOW: frozenset({_S.CANARY, _S.REVERTED, _S.EXPIRED}),
    _S.CANARY: frozenset({_S.CANARY, _S.ACTIVE, _S.REVERTED, _S.EXPIRED}),
    _S.ACTIVE: frozenset({_S.ACTIVE, _S.VERIFIED, _S.REVERTED, _S.EXPIRED}),
    _S.VERIFIED: frozenset({_S.VERIFIED, _S.REVERTED, _S.EXPIRED}),
    _S.DISMISSED: frozenset({_S.PROPOSED}),
    _S.REVERTED: frozenset({_S.PROPOSED}),
    _S.EXPIRED: frozenset({_S.PROPOSED}),
}
"""From each state to those that may follow. The same again: one of several answers, or a look back."""

_TWO: Final = 2
"""Persons, where one is not enough."""

LONGEST_SNOOZE_US: Final = 90 * DAY_US  # something is put off for at most so long
_KINDS: Final[Mapping[SuggestionState, EventKind]] = {
    state: EventKind(f"suggestion.{state}") for state in _S if state is not _S.CANDIDATE
}


class NoSuchChange(ValueError):  # noqa: N818 - says what it is
    """A change that the table does not have was asked for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each part of a life lasts, in microseconds, and whether one person is enough."""

    shadow_us: int = WEEK_US
    shadow_hits: int = 20
    canary_us: int = 14 * DAY_US
    verify_us: int = 30 * DAY_US
    expires_us: int = LONGEST_DAYS * DAY_US
    open_us: int = 90 * DAY_US
    single_person: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run saw of one suggestion.

    `found` is what today's evidence gives under its id. `tried` counts what people approved while in
    shadow and it would have let pass, `refused` are events of its like that people denied. `effect` is what it
    did, `for_it` whether its samples speak for it, `against` why it must be taken back.
    """

    found: Suggestion | None = None
    tried: int = 0
    refused: tuple[int, ...] = ()
    effect: Effect | None = None
    for_it: bool = False
    against: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the event that tells of it, the state before, and the life after.

    `missing` is how many more persons are needed, where the state stays.
    """

    kind: EventKind
    before: SuggestionState
    life: SuggestionLife
    missing: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


def needed(suggestion: Suggestion, limits: Limits) -> int:
    """How many persons have to say yes: two in production and where it loosens."""
    careful = suggestion.kind.loosens or in_production(suggestion)
    return _TWO if careful and not limits.single_person else 1


def in_production(suggestion: Suggestion) -> bool:
    """Whether it is about production."""
    return suggestion.scope.environment.lower().startswith("prod")


def in_force(life: SuggestionLife) -> bool:
    """Whether its rule belongs into the adopted layer."""
    return life.state.rules and life.suggestion.kind.writes_rule and bool(life.suggestion.rule)


def beneficiaries(suggestion: Suggestion) -> frozenset[str]:
    """Who gains most from it: the persons with the most deeds; they cannot accept it."""
    counted = suggestion.backtest.per_person if suggestion.backtest is not None else ()
    if counted:
        most = max(one.count for one in counted)
        return frozenset(one.person for one in counted if one.count == most)
    return frozenset(suggestion.vector.persons[:1])


def proposed(suggestion: Suggestion, now_us: int) -> Change:
    """A new one, or one that was over and is back."""
    life = SuggestionLife(suggestion, _S.CANDIDATE, now_us)
    return _moved(life, _S.PROPOSED, now_us, reason="found in the evidence")


def refreshed(life: SuggestionLife, found: Suggestion) -> SuggestionLife | None:
    """The same with newer evidence, while it is open; None where nothing differs.

    Who said yes said it to one text: where that changes, nobody has said yes yet.
    """
    if not life.state.open or found == life.suggestion:
        return None
    known = life.suggestion
    if life.accepted_by and found.narrower and not known.narrower:
        return None  # people are about to accept the narrower form
    if life.accepted_by and _about_the_same(known, found):
        kept = replace(found, rule=known.rule, rule_id=known.rule_id, narrower=known.narrower)
        return replace(life, suggestion=kept) if kept != known else None
    return replace(life, suggestion=found, accepted_by=())


def _about_the_same(known: Suggestion, found: Suggestion) -> bool:
    """Whether the text differs in nothing but the day on which it ends, and no more speaks against it."""
    return (
        known.scope == found.scope
        and known.sources == found.sources
        and known.vector.denied == found.vector.denied
        and known.vector.incidents == found.vector.incidents
    )


# what people do


def accept(
    life: SuggestionLife, who: Acceptance, limits: Limits, *, narrower: bool = False
) -> Change | str:
    """One more yes; a word says why it does not count (see `feedback.ports.CameTo`)."""
    refusal = _open_refusal(life) or _accept_refusal(life, who)
    if refusal:
        return refusal
    suggestion = life.suggestion
    if narrower and suggestion.narrower:
        suggestion = replace(suggestion, rule=suggestion.narrower, narrower="")
        life = replace(life, suggestion=suggestion, accepted_by=())
    if any(one.person == who.person for one in life.accepted_by):
        return "twice"
    after = replace(life, accepted_by=(*life.accepted_by, who))
    missing = max(0, needed(suggestion, limits) - len(after.accepted_by))
    to = _S.PROPOSED if missing else _S.ACCEPTED
    change = _moved(after, to, who.at_us, by=who.principal, reason=who.reason)
    return replace(change, kind=EventKind.SUGGESTION_ACCEPTED, missing=missing)


def _open_refusal(life: SuggestionLife) -> str:
    if life.state.open:
        return ""
    return "late" if life.decided_by else "state"


def _accept_refusal(life: SuggestionLife, who: Acceptance) -> str:
    suggestion = life.suggestion
    if not suggestion.safe:
        return "state"
    if suggestion.kind.loosens and who.person in beneficiaries(suggestion):
        return "self"
    if suggestion.kind.loosens and not who.mfa:
        return "mfa"
    return "" if who.reason.strip() else "reason"


def dismiss(life: SuggestionLife, by: str, reason: str, now_us: int) -> Change | str:
    """A no."""
    refusal = _open_refusal(life) or ("" if reason.strip() else "reason")
    return refusal or _moved(life, _S.DISMISSED, now_us, by=by, reason=reason)


def snooze(
    life: SuggestionLife, by: str, reason: str, until_us: int, now_us: int
) -> Change | str:
    """Not now, for at most as long as a suggestion stays open."""
    refusal = _open_refusal(life)
    if refusal or not now_us < until_us <= now_us + LONGEST_SNOOZE_US:
        return refusal or "state"
    later = replace(life, snoozed_until_us=until_us, accepted_by=())
    return _moved(later, _S.SNOOZED, now_us, by=by, reason=reason)


def take_back(life: SuggestionLife, who: Acceptance, limits: Limits) -> Change | str:
    """Return to what was before. A right is taken by one; what asks more goes as it came."""
    if not life.state.adopted:
        return "late" if life.state is _S.REVERTED else "state"
    if not who.reason.strip():
        return "reason"
    if life.suggestion.kind is SuggestionKind.GATE and in_force(life):
        return _return_gate(life, who, limits)
    return _moved(life, _S.REVERTED, who.at_us, by=who.principal, reason=who.reason)


def _return_gate(life: SuggestionLife, who: Acceptance, limits: Limits) -> Change | str:
    """To take back what asks more lets more pass: two persons, each with a second factor."""
    if not who.mfa:
        return "mfa"
    if who.person in beneficiaries(life.suggestion):
        return "self"
    if any(one.person == who.person for one in life.returned_by):
        return "twice"
    after = replace(life, returned_by=(*life.returned_by, who))
    missing = max(0, (1 if limits.single_person else _TWO) - len(after.returned_by))
    to = life.state if missing else _S.REVERTED
    change = _moved(after, to, who.at_us, by=who.principal, reason=who.reason)
    return replace(change, kind=EventKind.SUGGESTION_REVERTED, missing=missing)


# what time and evidence do


def advance(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits, least_us: int = sys.maxsize
) -> Change | None:
    """The next change that is due by itself, if one is. What lasts at least so long, by `least_us`."""
    if seen.against and life.state.adopted:
        return _moved(life, _S.REVERTED, now_us, reason=seen.against, effect=seen.effect)
    if life.expires_us and now_us >= life.expires_us and life.state.adopted:
        return _moved(life, _S.EXPIRED, now_us, reason="its time is over", effect=seen.effect)
    step = _STEPS.get(life.state)
    return step(life, seen, min(now_us, least_us), limits) if step is not None else None


def _when_open(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits
) -> Change | None:
    if seen.found is None or not seen.found.safe:
        return _moved(life, _S.EXPIRED, now_us, reason="the evidence no longer speaks for it")
    if life.state is _S.SNOOZED:
        if now_us < life.snoozed_until_us:
            return None
        return _moved(life, _S.PROPOSED, now_us, reason="its time has come again")
    if now_us - life.since_us >= limits.open_us:
        return _moved(life, _S.EXPIRED, now_us, reason="nobody answered")
    return None


def _when_accepted(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits
) -> Change | None:
    kind = life.suggestion.kind
    if kind is SuggestionKind.RELAX:
        life = replace(life, expires_us=_ends(life, now_us, limits))
        return _moved(life, _S.SHADOW, now_us, reason="tried on what is asked from now on")
    if kind.writes_rule or life.suggestion.mutes:
        return _into_force(life, "accepted", now_us, limits)
    if seen.found is None:
        return _moved(life, _S.VERIFIED, now_us, reason="it was followed")
    if now_us - life.since_us >= limits.open_us:
        return _moved(life, _S.EXPIRED, now_us, reason="it was not followed")
    return None


def _when_shadow(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits
) -> Change | None:
    if seen.refused:
        shown = ", ".join(str(one) for one in seen.refused[:3])
        return _moved(
            life, _S.REVERTED, now_us, reason=f"people said no while it was tried: {shown}"
        )
    if seen.tried >= limits.shadow_hits:
        return _into_force(life, f"tried on {seen.tried} matches", now_us, limits)
    if now_us - life.since_us >= limits.shadow_us:
        days = (now_us - life.since_us) // DAY_US
        return _into_force(life, f"tried for {days} days, {seen.tried} matches", now_us, limits)
    return None


def _into_force(life: SuggestionLife, reason: str, now_us: int, limits: Limits) -> Change:
    persons = {one.person for one in life.accepted_by}
    if len(persons) < needed(life.suggestion, limits):
        raise NoSuchChange(f"{life.suggestion.id} is not accepted by enough persons")
    in_time = replace(life, in_force_us=now_us, expires_us=_ends(life, now_us, limits))
    to = _S.ACTIVE if life.suggestion.mutes else _S.CANARY  # nothing passes by a mute: no samples
    return _moved(in_time, to, now_us, reason=reason)


def _ends(life: SuggestionLife, now_us: int, limits: Limits) -> int:
    """When it is over: never later than was said before; what asks more does not end by itself."""
    if life.suggestion.kind is SuggestionKind.GATE:
        return 0
    if life.suggestion.mutes:
        return now_us + MUTED_DAYS * DAY_US
    latest = min(now_us + limits.expires_us, text_ends_us(life.suggestion.rule))
    return min(latest, life.expires_us) if life.expires_us else latest


def _when_canary(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits
) -> Change | None:
    if now_us - life.in_force_us < limits.canary_us:
        return None
    return _moved(life, _S.ACTIVE, now_us, reason="its trial is over", effect=seen.effect)


def _when_active(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits
) -> Change | None:
    if life.muting or now_us - life.in_force_us < limits.verify_us or not seen.for_it:
        return None
    words = seen.effect.words if seen.effect is not None else ""
    return _moved(life, _S.VERIFIED, now_us, reason=words or "right so far", effect=seen.effect)


def _when_over(
    life: SuggestionLife, seen: Observation, now_us: int, limits: Limits  # noqa: ARG001 - one shape
) -> Change | None:
    found = seen.found
    if found is None or not found.safe:
        return None
    least = life.weight + 1 if life.state is _S.EXPIRED else max(1, 2 * life.weight)
    if life.state is _S.EXPIRED and life.in_force_us:
        least = 0  # it was in force until its time was over: nothing spoke against it
    if found.vector.asked < least:
        return None
    back = replace(SuggestionLife(found, life.state, now_us), weight=life.weight)
    return _moved(back, _S.PROPOSED, now_us, reason="there is new evidence")


_STEPS: Final = {
    _S.PROPOSED: _when_open,
    _S.SNOOZED: _when_open,
    _S.ACCEPTED: _when_accepted,
    _S.SHADOW: _when_shadow,
    _S.CANARY: _when_canary,
    _S.ACTIVE: _when_active,
    _S.DISMISSED: _when_over,
    _S.REVERTED: _when_over,
    _S.EXPIRED: _when_over,
}


def _moved(
    life: SuggestionLife,
    to: SuggestionState,
    now_us: int,
    *,
    by: str = "",
    reason: str = "",
    effect: Effect | None = None,
) -> Change:
    """The one place where a state changes. Raises NoSuchChange."""
    if to not in TABLE[life.state]:
        raise NoSuchChange(f"{life.suggestion.id}: {life.state} → {to}")
    after = replace(
        life,
        state=to,
        since_us=now_us if to is not life.state else life.since_us,
        decided_by=by or (life.decided_by if to is life.state else ""),
        reason=reason,
        effect=effect or life.effect,
        weight=life.suggestion.vector.asked if to.over else life.weight,
        settled=False,
    )
    return Change(_KINDS[to], life.state, after)
