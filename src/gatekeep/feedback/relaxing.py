"""What was asked about and always approved: suggestions to let it pass.

One suggestion at most for each template, place and set of asking rules: the widest form that every
check lets through, else the one that lacks least, so that people see what is not there yet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final

from gatekeep.domain.suggestions import (
    Rejected,
    SlotBound,
    SlotScope,
    SourceRule,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
)
from gatekeep.feedback import forbidden, lattice, naming, safety, scoring, sifting
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.ground import WINDOW_US, Ground, against, head_group
from gatekeep.feedback.sifting import Node, Standing
from gatekeep.feedback.spelling import Refusals
from gatekeep.feedback.writing import written

LEAST_SHOWN: Final = 5
"""How many approvals a template needs to be shown as not there yet."""
_MOST_REJECTED: Final = 6
"""So many wider forms are shown."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One node under one set of rules: what counts, what does not, what speaks against it."""

    node: Node
    sources: tuple[SourceRule, ...]
    counted: Sequence[Deed]
    left: Counter[str]
    spoken: Sequence[Deed]
    asked: Sequence[Deed]


def relaxations(ground: Ground) -> list[Suggestion]:
    """Every suggestion to let something pass, and those that lack evidence, in no order."""
    found: list[Suggestion] = []
    gathered = sifting.nodes(ground.deeds)
    refusals = Refusals(ground.deeds)
    fields = [
        one for node, deeds in gathered.items() for one in _fields(ground, node, deeds, refusals)
    ]
    best = [(field, made) for field in fields if (made := _best(ground, field)) is not None]
    ready = {id(field) for field, made in best if safety.proposable(made)}
    neighbours = _Neighbours(ground, fields, gathered, ready)
    for field, made in best:
        rejected = islice(chain(made.rejected, neighbours.of(field)), _MOST_REJECTED)
        found.append(replace(made, rejected=tuple(rejected)))
    return found


def _fields(
    ground: Ground, node: Node, deeds: Sequence[Deed], refusals: Refusals
) -> Iterator[_Field]:
    spoken = refusals.of(deeds[0])
    for names, asked in sifting.by_sources(deeds).items():
        counted, left = _counted(ground, asked)
        sources = tuple(one for one in map(ground.source, names) if one is not None)
        if len(counted) >= LEAST_SHOWN and len(sources) == len(names):
            yield _Field(node, sources, counted, left, spoken, asked)


def _counted(ground: Ground, asked: Sequence[Deed]) -> tuple[Sequence[Deed], Counter[str]]:
    """What counts of it where enough of it was approved, and what does not count by reason."""
    counted, left = sifting.sift(ground, asked)
    known = sifting.where_known(ground, counted)
    if len(known) == len(counted):
        return counted, left
    again, left = sifting.sift(ground, _on(asked, known))
    left[sifting.SELDOM_THERE] = len(counted) - len(known)
    return again, left


def _placed(ground: Ground, field: _Field, form: lattice.Form) -> lattice.Form:
    """The form with only those targets on which enough of what it covers was approved."""
    known = sifting.where_known(ground, form.covered)
    if len(known) == len(form.covered):
        return form
    again, _ = sifting.sift(ground, _on(field.asked, known))
    within = [one for one in again if lattice.covers(form.slots, lattice.values_of(one))]
    return replace(form, covered=tuple(within))


def _on(asked: Sequence[Deed], known: Sequence[Deed]) -> Iterator[Deed]:
    there = {deed.where.target for deed in known}
    return (deed for deed in asked if deed.where.target in there)


# --- the form ------------------------------------------------------------------------------------


def _best(ground: Ground, field: _Field) -> Suggestion | None:
    """The suggestion of the widest form that every check lets through, else of the best that is not.

    Forms whose rule was adopted already are left out, with the deeds that they cover.
    """
    bounded = all(map(forbidden.bounded, forbidden.faces(field.counted)))
    forms = _ranked(lattice.forms(field.counted, field.spoken, ground.person, bounded=bounded))
    adopted = {rule.id for rule in ground.version.standing}
    second: Suggestion | None = None
    taken: set[int] = set()
    for one in forms:
        form = _placed(ground, field, one)
        if second is not None and len(form.covered) < safety.LEAST_EVER:
            break
        if taken and taken.issuperset(deed.n for deed in form.covered):
            continue
        made = _suggestion(ground, field, form, bounded=bounded)
        if naming.rule_id(made.id) in adopted:
            taken |= {deed.n for deed in form.covered}
        elif safety.proposable(made):
            made = safety.with_expiry(ground, written(made, ground.now_us))
            if safety.proposable(made):
                return _with_narrower(ground, made, form)
        if second is None and naming.rule_id(made.id) not in adopted:
            second = made
    if second is None and not taken:
        exact = _denied_form(field)
        second = None if exact is None else _suggestion(ground, field, exact, bounded=bounded)
    return second if second is not None and len(second.events) >= LEAST_SHOWN else None


def _ranked(forms: Iterable[lattice.Form]) -> list[lattice.Form]:
    """What covers most first; of those that cover the same, the narrower one."""
    width = {SlotBound.EXACT: 0, SlotBound.ANY_OF: 1, SlotBound.PREFIX: 2, SlotBound.ANY: 3}
    return sorted(
        forms,
        key=lambda form: (
            -len(form.covered), sum(width[one.bound] for one in form.slots),
            [one.values for one in form.slots],
        ),
    )  # fmt: skip


def _denied_form(field: _Field) -> lattice.Form | None:
    """The exact form that most deeds have, where people said no under every form there is."""
    alike: dict[tuple[str, ...], list[Deed]] = defaultdict(list)
    for deed in field.counted:
        alike[lattice.values_of(deed)].append(deed)
    values = max(alike, key=lambda one: (len(alike[one]), one), default=None)
    if values is None:
        return None
    slots = tuple(SlotScope(SlotBound.EXACT, (value,)) for value in values)
    return lattice.Form(slots, tuple(alike[values]))


# --- the suggestion ------------------------------------------------------------------------------


def _suggestion(
    ground: Ground, field: _Field, form: lattice.Form, *, bounded: bool
) -> Suggestion:
    scope = _scope(ground, field, form)
    within = [one for one in field.asked if lattice.covers(form.slots, lattice.values_of(one))]
    spoken = tuple(
        one for one in field.spoken if lattice.covers(form.slots, lattice.values_of(one))
    )
    unanswered = [one for one in within if not sifting.approved(one) and not against(one)]
    standing = Standing(form.covered, spoken, tuple(within))
    vector = scoring.vector_of(ground, form.covered, spoken, unanswered)
    risk = ground.risk((one.id for one in field.sources), form.covered)
    saves = sum(_saved(ground, one) for one in within) / ground.weeks()
    events = [one.n for one in (*form.covered, *spoken)]
    names = [one.id for one in field.sources]
    key = naming.suggestion_id(SuggestionKind.RELAX, names, scope)
    left = Counter(field.left)
    left[sifting.OUTSIDE] = len(field.counted) - len(form.covered)
    made = Suggestion(
        id=key,
        kind=SuggestionKind.RELAX,
        title=title_of(scope),
        sources=field.sources,
        scope=scope,
        vector=vector,
        score=vector.wilson * saves - scoring.blast_radius(scope, risk),
        saves_per_week=saves,
        wait_s_per_week=saves * vector.latency_s,
        evidence_root=scoring.evidence_root(events),
        events=scoring.newest(events),
        risk=risk,
        rule_id=naming.rule_id(key),
        before=ground.text(field.sources),
        rejected=tuple(
            lattice.wider(form, field.counted, field.spoken, ground.person, bounded=bounded)
        ),
        not_counted={why: count for why, count in sorted(left.items()) if count},
    )
    return replace(made, checks=safety.checks(ground, made, standing))


def _saved(ground: Ground, deed: Deed) -> bool:
    return sifting.approved(deed) and deed.surely and deed.at_us >= ground.now_us - WINDOW_US


def title_of(scope: SuggestionScope) -> str:
    """The sentence that people read."""
    form = naming.cut(naming.form_of(scope.templates[0], scope.slots))
    who = scope.group or "anybody"
    return f"Let {who} run `{form}` on {naming.where_of(scope)} without asking"


def _scope(ground: Ground, field: _Field, form: lattice.Form) -> SuggestionScope:
    deeds = form.covered
    return SuggestionScope(
        group=group_of(ground, [one.id for one in field.sources], deeds),
        action=field.node.action,
        environment=field.node.environment,
        targets=tuple(sorted({one.where.target for one in deeds})),
        account=field.node.account,
        database=field.node.database,
        labels=tuple(sorted(frozenset.intersection(*{one.where.labels for one in deeds}))),
        templates=(field.node.template,),
        slots=form.slots,
        verb=deeds[0].verb,
        tables_read=field.node.tables_read,
        tables_written=field.node.tables_written,
    )


def group_of(ground: Ground, sources: Iterable[str], deeds: Sequence[Deed]) -> str:
    """The group that a rule's head names if all were in it, else the smallest that all were in.

    Empty where they were in none together.
    """
    shared = frozenset.intersection(*{one.where.groups for one in deeds})
    named = {head_group(ground.rules[one]) for one in sources if one in ground.rules} - {""}
    fitting = (shared & named) or (frozenset() if named else shared)
    return min(fitting, key=lambda group: (ground.size(group), group), default="")


def _with_narrower(ground: Ground, made: Suggestion, form: lattice.Form) -> Suggestion:
    """The same with the text of its next narrower form, if there is one."""
    scope = narrower(made.scope, form)
    if scope is None:
        return made
    other = replace(made, scope=scope, title=title_of(scope))
    return replace(made, narrower=written(other, ground.now_us).rule)


def narrower(scope: SuggestionScope, form: lattice.Form) -> SuggestionScope | None:
    """One step narrower: the widest slot lists what was seen; else only the busiest target.

    All else stays, labels too: what the narrower form covers the wide one covers. None if there is
    no such step.
    """
    order = (SlotBound.ANY, SlotBound.PREFIX)
    for at, slot in enumerate(scope.slots):
        if slot.bound in order:
            seen = Counter(lattice.values_of(one)[at] for one in form.covered)
            values = tuple(sorted(value for value, _ in seen.most_common(lattice.MOST_LISTED)))
            listed = SlotScope(SlotBound.ANY_OF, values)
            return replace(scope, slots=(*scope.slots[:at], listed, *scope.slots[at + 1 :]))
    if len(scope.targets) > 1:
        busiest = Counter(one.where.target for one in form.covered)
        best = min(scope.targets, key=lambda name: (-busiest[name], name))
        return replace(scope, targets=(best,))
    return None


# --- over SSH: neighbours by one word ------------------------------------------------------------


class _Neighbours:
    """Templates of the same place that differ in one word: what a wider word would also allow."""

    def __init__(
        self, ground: Ground, fields: Sequence[_Field], gathered: dict[Node, list[Deed]],
        ready: Iterable[int],
    ) -> None:  # fmt: skip
        self._ground = ground
        self._lacks: dict[int, str] = dict.fromkeys(ready, "")
        self._fields: dict[tuple[object, ...], list[_Field]] = defaultdict(list)
        self._denied: dict[tuple[object, ...], list[Deed]] = defaultdict(list)
        for field in fields:
            for form in _wildcards(field.node):
                self._fields[(*field.node[:4], form)].append(field)
        for node, deeds in gathered.items():
            no = [deed for deed in deeds if against(deed)]
            for form in _wildcards(node) if no else ():
                self._denied[(*node[:4], form)] += no

    def of(self, field: _Field) -> Iterator[Rejected]:
        """Rejected wider words of a field's template, and the sets with what is not there yet."""
        node = field.node
        near: dict[str, _Field] = {}
        for form in _wildcards(node):
            key = (*node[:4], form)
            no = [one for one in self._denied[key] if one.template != node.template]
            others = [one for one in self._fields[key] if one.node.template != node.template]
            near.update((one.node.template, one) for one in others)
            if no or others:
                yield lattice.word_wider(form, no)
        for _, other in sorted(near.items()):
            lacks = self._not_yet(other)
            if lacks:
                both = f"{node.template}, {other.node.template}"
                yield Rejected(both, lacks, tuple(sorted(one.n for one in other.spoken)))

    def _not_yet(self, other: _Field) -> str:
        """What a neighbour lacks, in words; empty if nothing."""
        if id(other) not in self._lacks:
            risk = self._ground.risk((one.id for one in other.sources), other.counted)
            standing = Standing(tuple(other.counted), tuple(other.spoken))
            lacks = [one for one in safety.floors(self._ground, standing, risk) if not one.passed]
            said = "; ".join(f"{one.name} {one.why}" for one in lacks)
            self._lacks[id(other)] = f"`{other.node.template}` not yet: {said}" if lacks else ""
        return self._lacks[id(other)]


def _wildcards(node: Node) -> list[str]:
    return lattice.wildcards(node.template) if node.action.startswith("ssh.") else []
