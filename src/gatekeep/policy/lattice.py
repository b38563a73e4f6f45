"""Order among decisions and among approver sets: which is stricter, which is smallest.

Knows nothing of Cedar; whether a set of groups releases an action is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.approvals import Approval
from gatekeep.domain.decisions import Verdict

SEVERITY: Final = (
    SqlClass.READ,
    SqlClass.SESSION,
    SqlClass.WRITE,
    SqlClass.COPY,
    SqlClass.PROCEDURAL,
    SqlClass.DDL,
    SqlClass.DCL,
    SqlClass.OPAQUE,
)

ADOPTED: Final = "adopted"
"""`kind` of an approval that an adopted rule stands in for."""

_STRICTNESS: Final = (Verdict.ALLOW, Verdict.ASK, Verdict.DENY)

Groups = frozenset[str]


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Deny before ask before allow; deny for nothing at all."""
    return max(verdicts, key=_STRICTNESS.index, default=Verdict.DENY)


def severest(classes: Iterable[SqlClass]) -> SqlClass:
    """The severest class; `read` for nothing at all (an empty query string)."""
    return max(classes, key=SEVERITY.index, default=SqlClass.READ)


def implied(group: str) -> Groups:
    """What the votes behind `dba:3` also are: `dba`, `dba:2` and `dba:3`."""
    name, _, count = group.partition(":")
    return frozenset(
        {name, *(f"{name}:{number}" for number in range(2, int(count or 1) + 1))}
    )


def stood_in_for(approvers: Sequence[Sequence[str]], rule: str) -> Approval:
    """The approval that an adopted rule counts as: what the first of these approver sets could give.

    Without a second factor: a rule that wants one, or other groups, is not satisfied by it.
    """
    groups = frozenset(one for group in approvers[0] for one in implied(group))
    return Approval(ADOPTED, groups, mfa=False, age_s=0, grant=rule)


def largest_approval(
    wanted: Collection[str], members: Mapping[str, Collection[str]], excluded: Collection[str]
) -> Groups:
    """Of the groups `wanted`, those that enough persons other than `excluded` are in.

    `members` maps a group to its natural persons. `dba:2` needs two of them.
    """
    supplied = set()
    for group in wanted:
        name, _, count = group.partition(":")
        voters = set(members.get(name, ())) - set(excluded)
        if len(voters) >= int(count or 1):
            supplied.add(group)
    return frozenset(supplied)


def smallest_sets(
    largest: Groups, releases: Callable[[Groups], bool]
) -> tuple[tuple[str, ...], ...]:
    """Smallest approver sets below `largest`, which releases; at most twice its size in questions.

    Every single group that suffices is an answer of its own; when none does, one set from which
    no group can be left out. Empty when the action needs no group at all: nobody would have to
    look at it.
    """
    if releases(frozenset()):
        return ()
    alone = [group for group in sorted(largest) if releases(implied(group))]
    if alone:
        return tuple((group,) for group in alone if not _stronger(group, alone))
    kept = sorted(largest, reverse=True)
    for group in list(kept):
        rest = [one for one in kept if one != group]
        if releases(_all_implied(rest)):
            kept = rest
    return (tuple(sorted(kept)),)


def _all_implied(groups: Iterable[str]) -> Groups:
    return frozenset(one for group in groups for one in implied(group))


def _stronger(group: str, others: Collection[str]) -> bool:
    """Whether fewer votes out of the same group suffice as well."""
    return any(other != group and other in implied(group) for other in others)
