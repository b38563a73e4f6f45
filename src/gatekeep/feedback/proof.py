"""Proves a suggestion before anybody is shown it: composed, replayed, held out, probed.

Every check comes with its reason in words. What cannot be proven fails. Nothing is adopted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import (
    DAY_US,
    WEEK_US,
    Backtest,
    Check,
    Probe,
    Suggestion,
    SuggestionKind,
)
from gatekeep.feedback.backtest import act_of
from gatekeep.feedback.composing import CompositionError, compose
from gatekeep.feedback.deeds import Evidence
from gatekeep.feedback.holdout import split
from gatekeep.feedback.matrix import MAY_FLIP
from gatekeep.feedback.probes import Neighbour
from gatekeep.feedback.rule_checks import (
    bound_to_source,
    composition,
    journal,
    never_errs,
    not_narrower,
    only_seen,
)
from gatekeep.feedback.trial import Case, Members, listed, tried
from gatekeep.policy.rules import PolicyVersion

__all__ = ["prove", "split"]

MOST_WAITS_A_WEEK: Final = 10
"""How often a week a rule that asks may make one person wait."""

_MOST_SHOWN: Final = 40
_LOWER_RISKS: Final = frozenset({"", "low", "moderate"})


def prove(
    suggestion: Suggestion,
    evidence: Evidence,
    version: PolicyVersion,
    members: Members,
    now_us: int,
    *,
    mined_until_us: int | None = None,
) -> Suggestion:
    """The suggestion with its checks (after those it has already) and its backtest.

    `version` is today's, `members` the persons of each group. `mined_until_us` says where the part
    begins that is held out (otherwise the last third of the time in which such deeds occurred).
    Advice, which writes no rule, is returned as it is; a narrower form that is none is left out.
    Never raises for what a suggestion holds.
    """
    if not suggestion.kind.writes_rule:
        return suggestion
    try:
        composed = compose(version, suggestion)
    except CompositionError as error:
        failed = Check("composition", passed=False, why=str(error))
        return replace(
            suggestion, checks=(*suggestion.checks, failed), backtest=_untried(evidence, str(error))
        )
    case = tried(suggestion, evidence, composed, members, now_us, mined_until_us)
    probes, checks = _checks(case, members)
    if suggestion.narrower and (fault := not_narrower(case, members)):
        suggestion = replace(suggestion, narrower="")
        checks.append(Check("narrower form", passed=True, why=f"left out: {fault}"))
    backtest = _documented(case, probes, checks)
    return _saving(case, replace(
        suggestion, checks=(*suggestion.checks, *checks), backtest=backtest
    ))  # fmt: skip


def _checks(case: Case, members: Members) -> tuple[list[Probe], list[Check]]:
    probes, near = _neighbours(case)
    checks = [
        journal(case.evidence),
        composition(case, members),
        never_errs(case),
        _one_way(case),
        _history(case),
        _spot_check(case),
        near,
    ]
    if case.kind is SuggestionKind.RELAX:
        checks += [_held_out(case), only_seen(case), _risk(case), bound_to_source(case, members)]
    if case.kind is SuggestionKind.GATE:
        checks.append(_who_waits(case))
    return probes, checks


# --- history ---------------------------------------------------------------------------------


def _one_way(case: Case) -> Check:
    strays = case.found.matrix.strays(case.kind)
    before, after = MAY_FLIP[case.kind]
    count = case.found.matrix.of(before, after)
    flip = f"{before.value} to {after.value}"
    if strays:
        shown = ", ".join(f"{name} {number} times" for name, number in strays.items())
        return Check("one way", passed=False, why=f"it may only turn {flip}, and turns {shown}")
    if not count:
        return Check("one way", passed=False, why=f"it turns nothing from {flip}")
    return Check("one way", passed=True, why=f"it turns {count} from {flip} and nothing else")


def _history(case: Case) -> Check:
    refused = case.found.refused_passing
    if refused:
        shown = ", ".join(str(n) for n in refused[:5])
        why = f"{len(refused)} that people refused would pass: events {shown}"
        return Check("history", passed=False, why=why)
    unknown = len(case.found.unknown)
    words = f"{case.found.matrix.total} decided again, {unknown} could not be"
    if unknown and case.kind is SuggestionKind.RELAX:
        return Check("history", passed=False, why=words)
    return Check("history", passed=True, why=f"{words}; none that people refused would pass")


def _held_out(case: Case) -> Check:
    found = case.found
    late = {deed.n for deed, _, _ in found.flipped if deed.at_us >= case.cut_us}
    refused = [n for n in found.refused_passing if n in late]
    why = f"{found.tried} of the last third would pass; {len(refused) or 'none'} was denied"
    if found.late:
        why += f"; {found.late} more would pass only by what the last third itself shows"
    if found.doubtful:
        why += f"; {len(found.doubtful)} could not be decided again"
    if not found.learnt:
        return Check("hold-out", passed=False, why=f"the first two thirds show none of it; {why}")
    return Check("hold-out", bool(found.tried) and not refused and not found.doubtful, why)


def _spot_check(case: Case) -> Check:
    found = case.found
    if found.spoilt:
        shown = ", ".join(str(n) for n in found.spoilt[:5])
        why = f"{len(found.spoilt)} that it cannot match came out otherwise: events {shown}"
        return Check("spot check", passed=False, why=why)
    why = f"{found.checked} drawn from what it cannot match come out as before"
    return Check("spot check", passed=True, why=why)


def _risk(case: Case) -> Check:
    risks = {case.pair.before.judge(act_of(deed)).risk for deed in case.seeds}
    high = sorted(risks - _LOWER_RISKS)
    why = f"rules call it {listed(high)}" if high else "no rule behind it calls it high or critical"
    return Check("risk", not high, why)


def _who_waits(case: Case) -> Check:
    weeks = max(1.0, (case.evidence.until_us - case.evidence.first_us) / WEEK_US)
    shifted = case.found.shifted()
    persons = ", ".join(f"{one.person} {one.count}" for one in shifted[:5])
    often = [one.person for one in shifted if one.count / weeks > MOST_WAITS_A_WEEK]
    if often:
        why = f"{listed(often)} would wait more than {MOST_WAITS_A_WEEK} times a week ({persons})"
        return Check("who waits", passed=False, why=why)
    total = sum(one.count for one in shifted)
    return Check("who waits", passed=True, why=f"{total} would have waited: {persons or 'nobody'}")


# --- neighbours ------------------------------------------------------------------------------


def _neighbours(case: Case) -> tuple[list[Probe], Check]:
    """Every neighbour of what was seen, under both versions; what becomes of those that change."""
    shown: dict[str, Probe] = {}
    wrong: dict[str, list[str]] = {}
    count = 0
    for near in case.neighbours:
        count += 1
        fault = _probed(case, near, shown)
        if fault:
            wrong.setdefault(fault, []).append(near.text)
    return list(shown.values())[:_MOST_SHOWN], _near_check(case, count, len(shown), wrong)


def _probed(case: Case, near: Neighbour, shown: dict[str, Probe]) -> str:
    """What is wrong with what becomes of one neighbour, if anything."""
    before, after = case.pair.judge(near.act)
    if before.verdict is None or after.verdict is None:
        return ""  # invented facts that no request can have
    case.found.note_broken(before, after)
    if before.verdict is after.verdict:
        return ""
    shown.setdefault(near.text, Probe(near.text, before.verdict.value, after.verdict.value))
    if (before.verdict, after.verdict) != MAY_FLIP[case.kind]:
        return f"{before.verdict.value} becomes {after.verdict.value}"
    if case.kind is SuggestionKind.RELAX or (case.kind.loosens and not near.in_words):
        return near.never
    return ""


def _near_check(case: Case, count: int, changed: int, wrong: Mapping[str, Sequence[str]]) -> Check:
    if not count:
        return Check("neighbours", passed=False, why="there is nothing to invent neighbours of")
    if wrong:
        what = "would also pass" if case.kind is SuggestionKind.RELAX else "would change"
        shown = "; ".join(f"{texts[0]} ({fault})" for fault, texts in wrong.items())
        why = f"{sum(map(len, wrong.values()))} of {count} neighbours {what}: {shown}"
        return Check("neighbours", passed=False, why=why)
    why = f"{changed} of {count} invented neighbours would come out otherwise"
    return Check("neighbours", passed=True, why=f"{why}, all within its scope" if changed else why)


# --- the document ----------------------------------------------------------------------------


def _documented(case: Case, probes: Iterable[Probe], checks: Sequence[Check]) -> Backtest:
    failed = [one for one in checks if not one.passed]
    why = "; ".join(f"{one.name}: {one.why}" for one in failed) or "every check passed"
    return replace(
        case.found.document(case.evidence), probes=tuple(probes), passed=not failed, why=why,
        errors=len(case.found.broken),
    )  # fmt: skip


def _untried(evidence: Evidence, why: str) -> Backtest:
    return Backtest(evidence.first_us, evidence.until_us, 0, {}, {}, passed=False, why=why)


def _saving(case: Case, proven: Suggestion) -> Suggestion:
    """What it saves a week: no more than the part that was held out shows."""
    if case.kind is not SuggestionKind.RELAX:
        return proven
    weeks = max((case.evidence.until_us - case.cut_us) / WEEK_US, DAY_US / WEEK_US)
    rate = round(case.found.tried / weeks, 2)
    stated = proven.saves_per_week
    why = f"{stated:.1f} approvals a week by all evidence, {rate:.1f} by the part held out"
    check = Check("saving", passed=True, why=why)
    waits = proven.wait_s_per_week * rate / stated if stated > rate else proven.wait_s_per_week
    return replace(
        proven, checks=(*proven.checks, check), saves_per_week=min(stated, rate) if stated else rate,
        wait_s_per_week=waits,
    )  # fmt: skip
