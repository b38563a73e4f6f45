"""The policy version that a suggestion would make, and what its rule's text alone says of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.suggestions import Suggestion, SuggestionKind
from gatekeep.errors import SettingsError
from gatekeep.feedback.deeds import Deed
from gatekeep.policy.conditions import compared_with
from gatekeep.policy.difference import difference
from gatekeep.policy.lint import unknown_approvers
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion, Rule
from gatekeep.policy.schema import SLOTS
from gatekeep.policy.standing import ADOPTED_FILE

_ARITHMETIC: Final = frozenset({"+", "-", "*", "neg"})
_ALWAYS_THERE: Final = frozenset({"principal", "resource", "context"})


class CompositionError(Exception):
    """The rule of a suggestion makes no version; the message says why, in words."""


@dataclass(frozen=True, slots=True)
class Composed:
    """Today's version, the version with the suggestion's rule, and that rule as loaded."""

    before: PolicyVersion
    after: PolicyVersion
    rule: Rule


def compose(version: PolicyVersion, suggestion: Suggestion) -> Composed:
    """The two versions. A rule that is in force already is taken out of the first one.

    Raises CompositionError where the rule does not load, is not clean, or is not exactly one more.
    """
    if not suggestion.rule.strip() or not suggestion.rule_id:
        raise CompositionError("it has no rule")
    adopted = rest = version.texts.get(ADOPTED_FILE, "")
    there = version.rule(suggestion.rule_id)
    if there is not None and there.text.strip() == suggestion.rule.strip():
        rest = adopted.replace(there.text, "")
    try:
        before = version if rest == adopted else load({**version.texts, ADOPTED_FILE: rest})
        after = load({**version.texts, ADOPTED_FILE: f"{rest.rstrip()}\n{suggestion.rule.strip()}\n"})
    except SettingsError as error:
        raise CompositionError(f"it does not load: {error}") from error
    found = difference(before, after)
    if (found.ids("added"), found.ids("removed"), found.ids("changed")) != (
        [suggestion.rule_id], [], [],
    ):  # fmt: skip
        changed = ", ".join(one.words() for one in found.changes) or "nothing"
        raise CompositionError(f"more or less than one rule would be added: {changed}")
    rule = after.rule(suggestion.rule_id)
    if rule is None:
        raise CompositionError("its rule is not there once it is loaded")
    known = {(one.rule, one.what) for one in before.warnings}
    new = [one for one in after.warnings if (one.rule, one.what) not in known]
    if new:
        raise CompositionError(f"lint says: {new[0].sentence()}")
    return Composed(before, after, rule)


def wrong_form(kind: SuggestionKind, rule: Rule) -> str:
    """What is wrong with the form of a rule of this kind; empty if nothing is."""
    if kind is SuggestionKind.RELAX and not rule.standing:
        return "it takes part in every decision: it is no standing rule"
    if kind is SuggestionKind.GATE and (rule.effect != "forbid" or not rule.approvers):
        return "it is no forbid that an approval lifts"
    if kind is SuggestionKind.ASK_INSTEAD and (
        rule.effect != "permit" or rule.standing or not rule.approvers
    ):
        return "it is no permit that needs an approval"
    return ""


def nobody_to_ask(rule: Rule, members: Mapping[str, frozenset[str]]) -> str:
    """The first group it asks that has nobody in it."""
    held = [name for name, persons in members.items() if persons]
    return next((one.what for one in unknown_approvers([rule], held)), "")


def may_err(rule: Rule) -> str:
    """Why evaluating it might fail; empty where that cannot be, whatever the facts.

    A checked rule fails only by numbers that grow too large and by an entity that is not there.
    """
    for node in _nodes(rule.est["conditions"]):
        if _ARITHMETIC & node.keys():
            return "it calculates, and a number may grow too large"
        for operator in (".", "getTag", "hasTag"):
            body = node.get(operator)
            if body is not None and not _rooted(body["left"]):
                return "it reads from an entity that may not be there"
    return ""


def names_unseen(rule: Rule, deeds: Iterable[Deed]) -> tuple[str, ...]:
    """What the rule names and none of these deeds shows: targets, accounts, templates, values."""
    shown: dict[str, set[str]] = {name: set() for name in _NAMED_ATTRIBUTES | _NAMED_ENTITIES}
    for deed in deeds:
        where = deed.where
        shown["Target"].add(where.target)
        shown["Account"].add(where.account)
        shown["Environment"].add(where.environment)
        shown["Label"] |= where.labels
        shown["Group"] |= where.groups
        shown["database"].add(where.database)
        shown["tables_read"] |= set(deed.tables_read)
        shown["tables_written"] |= set(deed.tables_written)
        if deed.likeness is not None:
            shown["template"].add(deed.likeness.template)
            for name, value in zip(SLOTS, deed.likeness.values, strict=False):
                shown[name].add(value)
    named = list(_entities(rule.est))
    for name, values in compared_with(rule.est["conditions"], _NAMED_ATTRIBUTES):
        named += [(name, value) for value in values]
    unseen = {f"{kind} {value}" for kind, value in named if value not in shown.get(kind, {value})}
    return tuple(sorted(unseen))


_NAMED_ATTRIBUTES: Final = frozenset({"template", "database", "tables_read", "tables_written", *SLOTS})
_NAMED_ENTITIES: Final = frozenset({"Target", "Account", "Environment", "Label", "Group"})


def _entities(est: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for node in _nodes(est):
        found = node.get("__entity") or node.get("entity")
        for one in [found, *node.get("entities", ())]:
            if isinstance(one, Mapping) and one.get("type") in _NAMED_ENTITIES:
                yield str(one["type"]), str(one["id"])


def _nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _rooted(node: Mapping[str, Any]) -> bool:
    """Whether what is read from is the principal, the target or the context, or a part of these."""
    while "." in node:
        node = node["."]["left"]
    return node.get("Var") in _ALWAYS_THERE
