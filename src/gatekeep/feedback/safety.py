"""Whether a suggestion may be made at all: each check by name, with its reason in words.

Floors count natural persons. Reads what others gathered; finds nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import DAY_US, Check, Suggestion, SuggestionKind
from gatekeep.feedback import forbidden
from gatekeep.feedback.deeds import Deed, Evidence
from gatekeep.feedback.ending import LONGEST_DAYS, last_day
from gatekeep.feedback.exclusions import YOUNG_US
from gatekeep.feedback.ground import WINDOW_US, Ground, day_of, days_of, head_group
from gatekeep.feedback.scoring import approver_shares, sure_approvers, weight_of
from gatekeep.feedback.sifting import Standing, seldom_there, standing_of
from gatekeep.policy.rules import PolicyVersion

LEAST_APPROVALS: Final[Mapping[str, int]] = {"": 15, "low": 15, "moderate": 40}
"""How many approvals it takes, by risk. What is not listed is never suggested."""
LEAST_EVER: Final = min(LEAST_APPROVALS.values())
LEAST_PERSONS: Final = 3
LEAST_APPROVERS: Final = 2
LEAST_DAYS: Final = 10
MOST_SHARE: Final = 0.5
"""Of the approvals, from one approver: else it is his opinion and no practice."""
OLDEST_LAST_DAYS: Final = 30
"""What was last seen longer ago has no use to be expected."""
YOUNGEST_RULE_DAYS: Final = YOUNG_US // DAY_US
"""For so long the rule that asks must have stood as it is."""
NEVER_MUTED: Final = frozenset({"destructive", "privilege", "reads_secret", "hidden_input"})
"""Tags of what is always told to all who are told now."""
_EXPIRY: Final = "expiry"


def proposable(suggestion: Suggestion) -> bool:
    """Whether it was checked and every check passed."""
    return bool(suggestion.checks) and suggestion.safe


def floors(ground: Ground, standing: Standing, risk: str) -> tuple[Check, ...]:
    """Approvals by risk, persons, approvers, days, shares, denials, and how fresh it all is."""
    counted = standing.counted
    shares = approver_shares(ground, counted)
    largest = max(shares, key=lambda name: (shares[name], name), default="")
    share = shares.get(largest, 1.0)
    persons = {ground.person(deed) for deed in counted}
    return (
        _approvals(weight_of(counted), risk),
        _least("persons", len(persons), LEAST_PERSONS),
        _least("approvers", len(sure_approvers(ground, counted)), LEAST_APPROVERS),
        _least("days", days_of(counted), LEAST_DAYS),
        Check(
            "approver share", share <= MOST_SHARE,
            f"{largest or 'nobody'} gave {share:.0%} of the approvals (at most {MOST_SHARE:.0%})",
        ),
        _denials(standing.spoken),
        recent(ground, counted),
    )  # fmt: skip


def recent(ground: Ground, deeds: Sequence[Deed]) -> Check:
    """Whether the newest of these deeds is not long ago."""
    if not deeds:
        return Check("recent", passed=False, why="never seen")
    age = (ground.now_us - max(deed.at_us for deed in deeds)) / DAY_US
    why = f"last seen {days_ago(age)} (at most {OLDEST_LAST_DAYS} days)"
    return Check("recent", age <= OLDEST_LAST_DAYS, why)


def checks(ground: Ground, suggestion: Suggestion, standing: Standing) -> tuple[Check, ...]:
    """Every check of a suggestion, over the deeds that it stands on."""
    if suggestion.kind is SuggestionKind.RELAX:
        return (
            *forbidden.never(standing.counted),
            _no_wildcard(suggestion),
            *floors(ground, standing, suggestion.risk),
            _assurance(standing.counted),
            _rule_age(ground, suggestion),
            _all_read(ground, suggestion),
            _group_seen(ground, suggestion, standing.counted),
            _seen_only(suggestion, standing.counted),
            _each_target(ground, standing.counted),
            _expiry(ground, suggestion),
        )
    return suggestion.checks


def checks_of(
    suggestion: Suggestion, evidence: Evidence, version: PolicyVersion, now_us: int = 0
) -> tuple[Check, ...]:
    """Every check of a suggestion, made anew from the evidence. `now_us` 0: when that ends."""
    ground = Ground(evidence, version, now_us or evidence.until_us)
    if not evidence.verified:
        return (Check("journal", passed=False, why="the journal did not verify"),)
    return checks(ground, suggestion, standing_of(ground, suggestion))


def with_expiry(ground: Ground, suggestion: Suggestion) -> Suggestion:
    """The same once its rule is written: whether that ends in time is read off its text."""
    kept = tuple(
        _expiry(ground, suggestion) if one.name == _EXPIRY else one for one in suggestion.checks
    )
    return replace(suggestion, checks=kept)


# --- one by one ----------------------------------------------------------------------------------


def _approvals(count: int, risk: str) -> Check:
    least = LEAST_APPROVALS.get(risk)
    if least is None:
        return Check("approvals", passed=False, why=f"risk {risk} always wants a person")
    return Check(
        "approvals", count >= least, f"{count} of {least} needed at {risk or 'low'} risk"
    )


def _least(name: str, count: int, least: int) -> Check:
    return Check(name, count >= least, f"{count} of {least} needed")


def _denials(spoken: Sequence[Deed]) -> Check:
    incidents = sum(bool(deed.incident) for deed in spoken)
    denied = sum(deed.refused_by_people and not deed.incident for deed in spoken)
    halves = len(spoken) - incidents - denied
    parts = [
        f"{count} {what}"
        for count, what in (
            (denied, "denied"), (incidents, "followed by an incident"),
            (halves, "withdrawn when looked at"),
        )
        if count
    ]  # fmt: skip
    return Check("no denials", not spoken, ", ".join(parts) or "nobody said no to its like")


def _no_wildcard(suggestion: Suggestion) -> Check:
    return Check(
        "never: any principal", bool(suggestion.scope.group),
        f"for group {suggestion.scope.group} only" if suggestion.scope.group
        else "those who did it share no group, and a rule for anybody is never suggested",
    )  # fmt: skip


def _assurance(counted: Sequence[Deed]) -> Check:
    unsure = sum(not deed.surely for deed in counted)
    return Check(
        "surely known", bool(counted) and not unsure,
        f"of {unsure} it is not sure what ran" if unsure else "it is sure what ran each time",
    )  # fmt: skip


def _rule_age(ground: Ground, suggestion: Suggestion) -> Check:
    name = "source rule"
    if not suggestion.sources:
        return Check(name, passed=False, why="no rule asked")
    ages = []
    for one in suggestion.sources:
        since = ground.since_us(one.id)
        if ground.source(one.id) != one:
            return Check(name, passed=False, why=f"rule {one.id} is not what it was")
        if since is None:
            return Check(name, passed=False, why=f"it is not known since when rule {one.id} is in force")
        ages.append((ground.now_us - since) / DAY_US)
    return Check(
        name, min(ages) >= YOUNGEST_RULE_DAYS,
        f"in force for {min(ages):.0f} days (at least {YOUNGEST_RULE_DAYS})",
    )  # fmt: skip


def _all_read(ground: Ground, suggestion: Suggestion) -> Check:
    """Whether nothing that its rules asked about stayed sealed: it may have been denied."""
    names = {one.id for one in suggestion.sources}
    since = day_of(ground.now_us - WINDOW_US)
    hidden = sum(
        count for (rule, day), count in ground.evidence.sealed.items()
        if rule in names and day >= since
    )  # fmt: skip
    return Check(
        "everything could be read", not hidden,
        f"{hidden} events of {', '.join(sorted(names))} stayed sealed, and may hide what people denied"
        if hidden else "nothing that its rules asked about stayed sealed",
    )  # fmt: skip


def _group_seen(ground: Ground, suggestion: Suggestion, counted: Sequence[Deed]) -> Check:
    group = suggestion.scope.group
    outside = sorted({ground.person(deed) for deed in counted if group not in deed.where.groups})
    if not counted or not group or outside:
        why = f"not in {group} then: {', '.join(outside[:3])}" if group else "no group in common"
        return Check("group seen", passed=False, why=why)
    heads = {head_group(ground.rules[one.id]) for one in suggestion.sources if one.id in ground.rules}
    named = heads - {""}
    fits = not named or group in named
    return Check(
        "group seen", fits,
        f"all of them were in {group}" if fits else f"its rule is for {', '.join(sorted(named))}",
    )  # fmt: skip


def _seen_only(suggestion: Suggestion, counted: Sequence[Deed]) -> Check:
    scope = suggestion.scope
    unseen = set(scope.targets) - {deed.where.target for deed in counted}
    places = {
        (deed.where.environment, deed.where.account, deed.where.database) for deed in counted
    }
    fits = not unseen and bool(scope.targets) and places == {
        (scope.environment, scope.account, scope.database)
    }  # fmt: skip
    why = f"never seen on {', '.join(sorted(unseen))}" if unseen else "more than one place"
    return Check("only what was seen", fits, "targets, account and database as seen" if fits else why)


def _each_target(ground: Ground, counted: Sequence[Deed]) -> Check:
    few = sorted({deed.where.target for deed in seldom_there(ground, counted)})
    return Check(
        "each target", not few,
        f"approved too seldom, or by too few, on {', '.join(few[:3])}" if few
        else "on each sort of target it was approved for two persons and by two",
    )  # fmt: skip


def _expiry(ground: Ground, suggestion: Suggestion) -> Check:
    if not suggestion.rule:
        return Check(_EXPIRY, passed=True, why=f"it would end after {LONGEST_DAYS} days at most")
    last = last_day(suggestion.rule)
    if last is None:
        return Check(_EXPIRY, passed=False, why="its rule never ends")
    days = last - day_of(ground.now_us)
    return Check(_EXPIRY, days <= LONGEST_DAYS, f"it ends in {days} days (at most {LONGEST_DAYS})")


def days_ago(age_days: float) -> str:
    """An age in whole days, in words."""
    days = max(0, round(age_days))
    return "today" if not days else f"{days} day{'' if days == 1 else 's'} ago"
