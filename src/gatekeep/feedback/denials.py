"""What rules denied again and again: ask instead, say it better, or look who tries.

Reads denials by rule. What people denied speaks against letting things pass, elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import (
    DAY_US,
    Check,
    EvidenceVector,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
)
from gatekeep.feedback import advising, forbidden, naming, safety, sifting
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.ground import WINDOW_US, Ground, against, day_of
from gatekeep.feedback.sifting import Node

LEAST_DENIALS: Final = 5
"""Of those, advice is made; to ask instead takes what it takes to let something pass."""
LEAST_PERSONS: Final = 3
_OTHERWISE_US: Final = DAY_US
_SHOWN: Final = 5


def denials(ground: Ground) -> Iterator[Suggestion]:
    """ASK_INSTEAD, WORDS and ALERT, in no order."""
    recent = [
        deed for deed in ground.deeds
        if deed.verdict is Verdict.DENY and deed.at_us >= ground.now_us - WINDOW_US
    ]  # fmt: skip
    yield from _ask_instead(ground, recent)
    yield from _words(ground, recent)
    yield from _alerts(ground)


# --- ask instead ---------------------------------------------------------------------------------


def _ask_instead(ground: Ground, recent: Sequence[Deed]) -> Iterator[Suggestion]:
    """What no rule permits, and several persons need."""
    unpermitted: dict[Node, list[Deed]] = defaultdict(list)
    for deed in recent:
        node = sifting.node_of(deed)
        if node is not None and not deed.rules and not deed.cause:
            unpermitted[node].append(deed)
    said_no = {
        node for deed in ground.deeds if against(deed) and (node := sifting.node_of(deed)) is not None
    }
    for node, deeds in unpermitted.items():
        once = _one_a_day(ground, deeds)
        if len(once) >= LEAST_DENIALS:
            yield _asking(ground, once, refused=node in said_no)


def _one_a_day(ground: Ground, deeds: Sequence[Deed]) -> list[Deed]:
    """One deed of each person and day."""
    first: dict[tuple[str, int], Deed] = {}
    for deed in deeds:
        first.setdefault((ground.person(deed), day_of(deed.at_us)), deed)
    return list(first.values())


def _asking(ground: Ground, deeds: Sequence[Deed], *, refused: bool) -> Suggestion:
    where = deeds[0].where
    group = advising.shared_group(ground, (one.where.groups for one in deeds))
    scope = advising.with_template(advising.scope_of(where, group, deeds), deeds[0])
    asks = advising.whom_to_ask(ground, deeds[0].action, where.environment)
    persons = {ground.person(one) for one in deeds}
    otherwise = _reached_otherwise(ground, deeds)
    form = naming.cut(naming.form_of(scope.templates[0], ()))
    what = f"{len(persons)} persons were denied it {naming.times(len(deeds))}; no rule permits it."
    if otherwise:
        what += f" {naming.times(otherwise).capitalize()} the glass was broken within a day."
    advice = advising.Advice(
        kind=SuggestionKind.ASK_INSTEAD,
        title=f"Ask {advising.shown(asks) or 'somebody'} when {group or 'anybody'} runs `{form}`"
        f" on {naming.where_of(scope)}, instead of denying it",
        text=what,
        scope=scope,
        rules=(),
        events=[one.n for one in deeds],
        checks=(
            *forbidden.never(deeds),
            advising.least("denials", len(deeds), safety.LEAST_EVER, "denials"),
            advising.least("persons", len(persons), safety.LEAST_PERSONS, "persons"),
            advising.least(
                "days", len({day_of(one.at_us) for one in deeds}), safety.LEAST_DAYS, "days"
            ),
            Check("no denials", not refused, "people said no to its like" if refused
                  else "nobody said no to its like"),
            Check("group seen", bool(group), f"all of them were in {group}" if group
                  else "they share no group"),
            Check("somebody to ask", bool(asks), f"asks {advising.shown(asks)}" if asks
                  else "no rule says whom to ask about such actions"),
            _recent(ground, deeds),
        ),
        vector=advising.vector_of(ground, deeds, denied=len(deeds)),
        score=len(deeds) / ground.weeks(),
        asks=asks,
    )  # fmt: skip
    return advising.advise(ground, advice)


def _recent(ground: Ground, deeds: Sequence[Deed]) -> Check:
    age = (ground.now_us - max(one.at_us for one in deeds)) / DAY_US
    most = safety.OLDEST_LAST_DAYS
    return Check("recent", age <= most, f"last seen {safety.days_ago(age)} (at most {most} days)")


def _reached_otherwise(ground: Ground, deeds: Sequence[Deed]) -> int:
    """How many of them were followed, within a day, by the same person breaking the glass there."""
    taken = ground.evidence.break_glass
    return sum(
        any(
            0 <= at - one.at_us <= _OTHERWISE_US
            and (person, target) == (ground.person(one), one.where.target)
            for at, person, target in taken
        )
        for one in deeds
    ) if taken else 0  # fmt: skip


# --- better words --------------------------------------------------------------------------------


def _words(ground: Ground, recent: Sequence[Deed]) -> Iterator[Suggestion]:
    """The same mistake of several persons: its message does not help them."""
    alike: dict[tuple[tuple[str, ...], str, str], list[Deed]] = defaultdict(list)
    for deed in recent:
        if deed.rules or deed.cause:
            alike[sifting.sources_of(deed), deed.cause, deed.action].append(deed)
    for (rules, cause, action), deeds in alike.items():
        persons = {ground.person(one) for one in deeds}
        if len(persons) < LEAST_PERSONS or len(deeds) < LEAST_DENIALS:
            continue
        why = cause or ", ".join(rules)
        texts = sorted({naming.cut(one.text) for one in deeds})
        yield advising.advise(
            ground,
            advising.Advice(
                kind=SuggestionKind.WORDS,
                title=f"Say better what to do instead where {action} is denied by {why}",
                text=f"{len(persons)} persons ran into it {naming.times(len(deeds))}, as with"
                f" {advising.shown(f'`{one}`' for one in texts)}. A @why that says what to do"
                " instead would spare them the next try.",
                scope=SuggestionScope("", action, "", (), "", verb=cause),
                rules=rules,
                events=[one.n for one in deeds],
                checks=(advising.least("persons", len(persons), LEAST_PERSONS, "persons"),),
                vector=advising.vector_of(ground, deeds, denied=len(deeds)),
                score=len(deeds) / ground.weeks() / 2,
            ),
        )


# --- who tries again and again -------------------------------------------------------------------


def _alerts(ground: Ground) -> Iterator[Suggestion]:
    """The same denied attempt of one person: not a reason to let it pass, but to look."""
    tries: dict[tuple[str, str, str], list[Deed]] = defaultdict(list)
    for deed in ground.deeds:
        refused = deed.verdict is Verdict.DENY or deed.answer is Answer.DENIED
        if refused and deed.at_us >= ground.now_us - WINDOW_US:
            template = deed.likeness.template if deed.likeness is not None else deed.text
            tries[ground.person(deed), template, deed.where.target].append(deed)
    for (person, template, target), deeds in tries.items():
        if len(deeds) < LEAST_DENIALS:
            continue
        scope = advising.with_template(advising.scope_of(deeds[0].where, person, deeds), deeds[0])
        vector = advising.vector_of(ground, deeds, denied=len(deeds))
        yield advising.advise(
            ground,
            advising.Advice(
                kind=SuggestionKind.ALERT,
                title=f"Look at what {person} tried {naming.times(len(deeds))} on {target}:"
                f" `{naming.cut(deeds[0].text)}`",
                text=f"It was denied each time, on {_on_days(vector)}. Ask what it is for; an alert"
                " on the next try would tell at once.",
                scope=replace(scope, labels=(), templates=(template,)),
                rules=tuple(sorted({name for one in deeds for name in one.rules})),
                events=[one.n for one in deeds],
                checks=(advising.least("tries", len(deeds), LEAST_DENIALS, "denied tries"),),
                vector=vector,
                score=len(deeds) / ground.weeks() / 2,
            ),
        )


def _on_days(vector: EvidenceVector) -> str:
    return "one day" if vector.days == 1 else f"{vector.days} days"

