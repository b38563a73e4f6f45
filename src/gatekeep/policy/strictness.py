"""Whether a changed rule is proven to let nothing more pass than the one before.

A proof is structural: the same rule with one clause more, a smaller head, another obligation.
Whatever is not proven counts as loosening; what a rule decides is the engine's affair.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gatekeep.policy import conditions
from gatekeep.policy.rules import Rule

_DECIDE: Final = ("effect", "principal", "action", "resource", "conditions")


class Bearing(enum.StrEnum):
    """What is known of a change: it decides alike, lets less pass, more, or nobody can tell."""

    SAME = "same"
    STRICTER = "stricter"
    LOOSER = "looser"
    UNPROVEN = "unproven"

    @property
    def may_loosen(self) -> bool:
        """Whether two people should look."""
        return self in (Bearing.LOOSER, Bearing.UNPROVEN)


def bearing(old: Rule | None, new: Rule | None) -> Bearing:
    """What is known of a rule that was added (no `old`), removed (no `new`) or changed."""
    if old is None:
        return _added(new) if new is not None else Bearing.SAME
    if new is None:
        return _removed(old)
    if old.effect != new.effect:
        stricter = new.effect == "forbid" and not old.obligations
        return Bearing.STRICTER if stricter else Bearing.UNPROVEN
    lost, gained = old.obligations - new.obligations, new.obligations - old.obligations
    if _meaning(old) == _meaning(new):
        return Bearing.LOOSER if lost else Bearing.STRICTER if gained else Bearing.SAME
    narrower, wider = _covers(old.est, new.est), _covers(new.est, old.est)
    if new.effect == "forbid":
        narrower, wider = wider, narrower
    if narrower and not lost and (new.effect == "forbid" or not old.obligations):
        return Bearing.STRICTER
    return Bearing.LOOSER if wider else Bearing.UNPROVEN


def asks_without_groups(rules: Iterable[Rule]) -> bool:
    """Whether some rule may be satisfied by an approval without looking at its groups.

    Then another rule that asks people where nobody was asked could supply what that one lacks.
    """
    return any(
        "approval" in conditions.reads(clause["body"]) and _possible(clause["body"])
        for rule in rules
        if "approval" in rule.reads
        for clause in rule.est["conditions"]
    )


def _added(new: Rule) -> Bearing:
    return Bearing.LOOSER if new.effect == "permit" else Bearing.STRICTER


def _removed(old: Rule) -> Bearing:
    if old.effect == "forbid":
        return Bearing.LOOSER
    # Where another rule permits the same, the obligations of this one no longer apply.
    return Bearing.UNPROVEN if old.obligations else Bearing.STRICTER


def _meaning(rule: Rule) -> str:
    return json.dumps([rule.est[part] for part in _DECIDE], sort_keys=True)


def _covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Whether `wide` surely matches whatever `narrow` matches."""
    return (
        _scope_covers(wide["principal"], narrow["principal"])
        and _scope_covers(wide["resource"], narrow["resource"])
        and _actions_cover(wide["action"], narrow["action"])
        and _clauses(wide) <= _clauses(narrow)
    )


def _scope_covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    return wide["op"] == "All" or wide == narrow


def _actions_cover(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    if _scope_covers(wide, narrow):
        return True
    return wide["op"] == "in" and bool(_named(narrow)) and _named(narrow) <= _named(wide)


def _named(scope: Mapping[str, Any]) -> frozenset[str]:
    """The entities that a head names with `in` or `==`."""
    entities = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    return frozenset(json.dumps(one, sort_keys=True) for one in entities)


def _clauses(est: Mapping[str, Any]) -> frozenset[str]:
    """What must hold, each part for itself: `when a && b` is two, and so is `unless a || b`."""
    return frozenset(
        json.dumps([clause["kind"], part], sort_keys=True)
        for clause in est["conditions"]
        for part in _parts(clause["body"], "&&" if clause["kind"] == "when" else "||")
    )


def _parts(node: Any, operator: str) -> list[Any]:
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        both = one.get(operator) if isinstance(one, dict) else None
        if both:
            waiting += [both["left"], both["right"]]
        else:
            found.append(one)
    return found


def _possible(node: Any) -> bool:
    """Whether a condition could hold though no group test in it does."""
    if not isinstance(node, dict):
        return True
    both, either = node.get("&&"), node.get("||")
    if both:
        return _possible(both["left"]) and _possible(both["right"])
    if either:
        return _possible(either["left"]) or _possible(either["right"])
    return not conditions.approver_groups(node)
