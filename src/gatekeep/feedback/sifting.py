"""Which deeds count for letting their like pass, which speak against it, and which do neither.

One deed for each person, template and day; only what one place saw is put together. No floors here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import Suggestion, SuggestionScope
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.exclusions import NOT_SURE, RUBBER_STAMP, SAME_DAY
from gatekeep.feedback.ground import WINDOW_US, Ground, against, day_of
from gatekeep.feedback.lattice import covers, values_of
from gatekeep.feedback.spelling import Refusals

TOO_OLD: Final = "too_old"
OWN_APPROVAL: Final = "own_approval"
RULE_CHANGED: Final = "rule_changed"
OUTSIDE: Final = "other_values"
TARGET_CHANGED: Final = "target_changed"
SELDOM_THERE: Final = "seldom_there"
LEAST_THERE: Final = 2
"""So many approvals, persons and approvers it takes for one target, or for those labelled alike."""


class Node(NamedTuple):
    """What is put together: one template in one place. Two accounts or databases are two nodes."""

    action: str
    environment: str
    account: str
    database: str
    template: str
    tables_read: tuple[str, ...]
    tables_written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What one suggestion stands on: deeds that count, and deeds that speak against it.

    `asked` are all that were asked about within it, whatever came of it.
    """

    counted: tuple[Deed, ...]
    spoken: tuple[Deed, ...]
    asked: tuple[Deed, ...] = ()


def node_of(deed: Deed) -> Node | None:
    """The node of a deed; None where nothing is like it."""
    if deed.likeness is None:
        return None
    where = deed.where
    return Node(
        deed.action, where.environment, where.account, where.database, deed.likeness.template,
        deed.tables_read, deed.tables_written,
    )  # fmt: skip


def nodes(deeds: Iterable[Deed]) -> dict[Node, list[Deed]]:
    """All deeds that people had a word on, by node, in the order in which they come."""
    found: dict[Node, list[Deed]] = defaultdict(list)
    for deed in deeds:
        if deed.verdict is Verdict.ASK or against(deed):
            node = node_of(deed)
            if node is not None:
                found[node].append(deed)
    return found


def sources_of(deed: Deed) -> tuple[str, ...]:
    """The ids of the rules that asked, sorted."""
    return tuple(sorted(set(deed.rules)))


def approved(deed: Deed) -> bool:
    """Whether people were asked and said yes."""
    return deed.verdict is Verdict.ASK and deed.answer is Answer.APPROVED


def why_not_counted(ground: Ground, deed: Deed) -> str:
    """Why an approved deed is no evidence for letting its like pass; empty if it is."""
    if deed.excluded:
        return deed.excluded
    if not deed.surely:
        return NOT_SURE
    since = ground.as_now_since(deed.rules)
    if since is None or deed.at_us < since:
        return RULE_CHANGED
    if not ground.as_labelled(deed):
        return TARGET_CHANGED
    return _why_no_approval(ground, deed)


def _why_no_approval(ground: Ground, deed: Deed) -> str:
    if deed.at_us < ground.now_us - WINDOW_US:
        return TOO_OLD
    if deed.weight <= 0:
        return RUBBER_STAMP
    return "" if ground.approvers(deed) else OWN_APPROVAL


def sift(ground: Ground, deeds: Iterable[Deed]) -> tuple[list[Deed], Counter[str]]:
    """The approved deeds that count, and how many others do not, by reason."""
    counted: list[Deed] = []
    left: Counter[str] = Counter()
    seen: set[tuple[str, str, int]] = set()
    for deed in deeds:
        if deed.incident or not approved(deed):
            continue
        why = why_not_counted(ground, deed)
        if not why:
            key = (ground.person(deed), deed.like, day_of(deed.at_us))
            why = SAME_DAY if key in seen else ""
            seen.add(key)
        if why:
            left[why] += 1
        else:
            counted.append(deed)
    return counted, left


def where_known(ground: Ground, counted: Sequence[Deed]) -> list[Deed]:
    """Those on targets where enough of it was approved: one yes elsewhere opens nothing there.

    Targets that bear the same labels are alike; one without any is by itself. All of them where it
    is not enough anywhere: what is lacking is said by a check.
    """
    seldom = {deed.where.target for deed in seldom_there(ground, counted)}
    known = [deed for deed in counted if deed.where.target not in seldom]
    return known or list(counted)


def seldom_there(ground: Ground, counted: Sequence[Deed]) -> list[Deed]:
    """Those on targets where too little of it was approved."""
    at: dict[object, list[Deed]] = defaultdict(list)
    for deed in counted:
        target = deed.where.target
        at[ground.labels(target) or target].append(deed)
    return [deed for deeds in at.values() if not _enough_there(ground, deeds) for deed in deeds]


def _enough_there(ground: Ground, deeds: Sequence[Deed]) -> bool:
    approvers = {name for deed in deeds if deed.weight >= 1 for name in ground.approvers(deed)}
    return min(len(deeds), len({ground.person(deed) for deed in deeds}), len(approvers)) >= LEAST_THERE


def by_sources(deeds: Sequence[Deed]) -> Mapping[tuple[str, ...], list[Deed]]:
    """Deeds by the rules that asked: a rule that is adopted stands beside exactly these."""
    found: dict[tuple[str, ...], list[Deed]] = defaultdict(list)
    for deed in deeds:
        found[sources_of(deed)].append(deed)
    return found


def standing_of(ground: Ground, suggestion: Suggestion) -> Standing:
    """What a suggestion stands on, gathered anew from all deeds by its scope alone.

    Denials count on any target of the same environment, whichever rule asked and however it was
    spelt; approvals only under the very rules of the suggestion, on its targets.
    """
    scope = suggestion.scope
    sources = tuple(sorted(one.id for one in suggestion.sources))
    like = [deed for deed in ground.deeds if _like(scope, deed)]
    spoken = tuple(
        no for no in (Refusals(ground.deeds).of(like[0]) if like else ()) if _within(scope, no)
    )
    mine = [deed for deed in like if sources_of(deed) == sources]
    # one a day of the template, whatever its values, and only then those that it is about
    sifted, _ = sift(ground, (deed for deed in mine if deed.where.target in scope.targets))
    counted = tuple(deed for deed in sifted if _within(scope, deed))
    return Standing(counted, spoken, tuple(deed for deed in mine if _within(scope, deed)))


def _within(scope: SuggestionScope, deed: Deed) -> bool:
    return covers(scope.slots, values_of(deed))


def _like(scope: SuggestionScope, deed: Deed) -> bool:
    node = node_of(deed)
    return (
        node is not None
        and node.template in scope.templates
        and node[:4] == (scope.action, scope.environment, scope.account, scope.database)
        and (node.tables_read, node.tables_written) == (scope.tables_read, scope.tables_written)
        and (deed.verdict is Verdict.ASK or against(deed))
    )
