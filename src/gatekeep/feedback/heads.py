"""What a rule could match at all, read from its own text: for leaving out the rest of history.

Only what must hold for the rule to match narrows anything; whatever is not understood, matches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatekeep.feedback.deeds import Deed
from gatekeep.policy.conditions import literals
from gatekeep.policy.rules import Rule

_TEMPLATE = {".": {"left": {"Var": "context"}, "attr": "template"}}


@dataclass(frozen=True, slots=True)
class Head:
    """Whom and which actions a rule is about. None: no limit is known."""

    principal: str | None
    group: str | None
    actions: frozenset[str] | None
    templates: frozenset[str] | None

    def fits(self, principal: str, groups: frozenset[str], actions: frozenset[str]) -> bool:
        """Whether the rule could match some action of this principal."""
        if self.principal is not None and principal != self.principal:
            return False
        if self.group is not None and self.group not in groups:
            return False
        return self.actions is None or not actions.isdisjoint(self.actions)

    def could_match(self, deed: Deed) -> bool:
        """Whether the rule could match some part of this deed."""
        where = deed.where
        if not self.fits(where.principal, where.groups, actions_of(deed.request) | {deed.action}):
            return False
        if self.templates is None:
            return True
        return deed.likeness is not None and deed.likeness.template in self.templates


def head_of(rule: Rule) -> Head:
    """The head of a rule, and the templates that it demands."""
    who, what = rule.est["principal"], rule.est["action"]
    named = _entity(who, "Principal") if who["op"] == "==" else None
    group = _entity(who, "Group") if who["op"] == "in" else None
    return Head(named, group, _actions(what), _templates(rule.est))


def actions_of(request: Mapping[str, Any]) -> frozenset[str]:
    """The Cedar actions of all parts of a recorded request."""
    parts = [*_parts(request, "statements"), *_parts(request, "commands"), request]
    found = {str(part["action"]) for part in parts if part.get("action")}
    if request.get("mode") == "function_call":
        found.add("function.call")
    return frozenset(found)


def _parts(request: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    parts = request.get(name)
    return [one for one in parts if isinstance(one, Mapping)] if isinstance(parts, list) else []


def _entity(part: Mapping[str, Any], kind: str) -> str | None:
    entity = part.get("entity")
    return str(entity["id"]) if entity is not None and entity.get("type") == kind else None


def _actions(part: Mapping[str, Any]) -> frozenset[str] | None:
    """The actions of a head; None for all, and for what stands for several (`Action::"sql"`)."""
    if part["op"] not in ("==", "in"):
        return None
    entities = part.get("entities") or [part.get("entity")]
    names = {str(one["id"]) for one in entities if one is not None}
    return frozenset(names) if names and all("." in name for name in names) else None


def _templates(est: Mapping[str, Any]) -> frozenset[str] | None:
    found: frozenset[str] | None = None
    for clause in est["conditions"]:
        if clause["kind"] != "when":
            continue
        for part in _conjuncts(clause["body"]):
            named = _template_literals(part)
            if named is not None:
                found = named if found is None else found & named
    return found


def _conjuncts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    body = node.get("&&")
    if body is None:
        yield node
        return
    yield from _conjuncts(body["left"])
    yield from _conjuncts(body["right"])


def _template_literals(part: Mapping[str, Any]) -> frozenset[str] | None:
    """The strings of `context.template == "…"` or `["…"].contains(context.template)`."""
    same = part.get("==")
    if same is not None and _TEMPLATE in (same["left"], same["right"]):
        other = same["right"] if same["left"] == _TEMPLATE else same["left"]
        named = literals(other)
        return frozenset(named) if named is not None else None
    among = part.get("contains")
    if among is not None and among["right"] == _TEMPLATE:
        named = literals(among["left"])
        return frozenset(named) if named is not None else None
    return None
