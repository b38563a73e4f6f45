"""Checks of a suggestion's rule itself: its form, what it names, what it is bound to.

Each answers with its reason. What history says of it is `proof`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import Check
from gatekeep.errors import SettingsError
from gatekeep.feedback.backtest import act_of, drawn
from gatekeep.feedback.composing import (
    CompositionError,
    compose,
    may_err,
    names_unseen,
    nobody_to_ask,
    wrong_form,
)
from gatekeep.feedback.deeds import Answer, Evidence
from gatekeep.feedback.judging import Judge
from gatekeep.feedback.trial import Case, Members, listed
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion

_LOOKED_AT: Final = 200
"""So many of what the wide form let pass are tried under the narrower one."""


def journal(evidence: Evidence) -> Check:
    """Whether the evidence may be believed at all, and how much of it stayed sealed."""
    words = "the journal verified" if evidence.verified else "the journal did not verify"
    why = f"{words} up to event {evidence.next_n}"
    if evidence.unknown:
        why += f"; {evidence.unknown} payloads stayed sealed, and may hide what people denied"
    return Check("journal", evidence.verified, why)


def composition(case: Case, members: Members) -> Check:
    """One rule more, of the right form, for which somebody can be asked."""
    rule = case.composed.rule
    fault = wrong_form(case.kind, rule) or nobody_to_ask(rule, members)
    words = f"exactly one rule more ({rule.id}); it validates strictly and lint is silent"
    return Check("composition", not fault, fault or words)


def never_errs(case: Case) -> Check:
    """Whether its evaluation can fail, which would be silent."""
    fault = may_err(case.composed.rule)
    if case.found.broken:
        fault = f"{len(case.found.broken)} evaluations failed, the first: {case.found.broken[0][:200]}"
    words = "nothing in it can fail, and no replay or probe did"
    return Check("never errs", not fault, fault or words)


def only_seen(case: Case) -> Check:
    """Whether all that it names was approved by people."""
    approved = [one for one, _, _ in case.found.flipped if one.answer is Answer.APPROVED]
    unseen = names_unseen(case.composed.rule, approved)
    if unseen:
        return Check("only what was seen", passed=False, why=f"nobody approved {listed(unseen)}")
    return Check("only what was seen", passed=True, why="all that it names was approved by people")


def bound_to_source(case: Case, members: Members) -> Check:
    """Whether it falls silent when the words of a rule that it answers change."""
    name = "bound to its source"
    before = case.composed.before
    gone = [
        one.id for one in case.suggestion.sources
        if (rule := before.rule(one.id)) is None or rule.mark != one.mark
    ]  # fmt: skip
    if gone or not case.suggestion.sources:
        words = listed(gone) or "no rule"
        return Check(name, passed=False, why=f"it was learnt from {words}, which reads otherwise now")
    for source in case.suggestion.sources:
        changed = _with_other_words(case.composed.after, source.id)
        if changed is None:
            return Check(name, passed=False, why=f"{source.id} could not be changed for the trial")
        judge = Judge(changed, members)
        if any(judge.judge(act_of(deed)).adopted for deed in case.seeds):
            return Check(name, passed=False, why=f"it still counts when {source.id} has changed")
    named = listed([one.id for one in case.suggestion.sources])
    return Check(name, passed=True, why=f"it falls silent as soon as the text of {named} changes")


def _with_other_words(version: PolicyVersion, rule_id: str) -> PolicyVersion | None:
    rule = version.rule(rule_id)
    if rule is None:
        return None
    reworded = f"{rule.text.rstrip().removesuffix(';')} // reworded\n;"
    texts = {name: text.replace(rule.text, reworded) for name, text in version.texts.items()}
    try:
        changed = load(texts)
    except SettingsError:
        return None
    other = changed.rule(rule_id)
    return changed if other is not None and other.mark != rule.mark else None


def not_narrower(case: Case, members: Members) -> str:
    """Why the narrower form reaches something that the form proven here does not; empty if it does not."""
    one = replace(case.suggestion, rule=case.suggestion.narrower)
    try:
        composed = compose(case.composed.before, one)
    except CompositionError as error:
        return str(error)
    fault = wrong_form(case.kind, composed.rule) or may_err(composed.rule)
    judge = Judge(composed.after, members)
    # What the wide form let pass may only stay or wait: some of it stands for all of it.
    acts = [act_of(deed) for deed in drawn((deed for deed, _, _ in case.found.flipped), _LOOKED_AT)]
    acts += [near.act for near in case.neighbours]
    for act in acts:
        before, wide = case.pair.judge(act)
        if judge.judge(act).verdict not in {before.verdict, wide.verdict}:
            return "it decides otherwise than both today's policy and the form proven here"
    return fault
