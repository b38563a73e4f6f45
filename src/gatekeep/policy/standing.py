"""Writes rules of the adopted layer from what a suggestion is about: by construction, never by text.

A rule is built in Cedar's JSON form, written, and loaded again: what does not come back as the very
same rule is refused. Whether a rule should be written is not decided here.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.commands import EXEC, LINE, Assurance
from gatekeep.domain.likeness import MOST_SLOTS
from gatekeep.domain.suggestions import SlotBound, SlotScope, SourceRule, SuggestionScope
from gatekeep.errors import SettingsError
from gatekeep.policy.loading import load
from gatekeep.policy.nodes import (
    Node,
    all_of,
    all_within,
    begins,
    context,
    entity,
    equals,
    given,
    has_all,
    has_any,
    holds,
    inside,
    is_among,
    is_entity_among,
    less,
    no,
    quoted,
    same_set,
    there,
    uid,
    written,
)
from gatekeep.policy.rules import Rule
from gatekeep.policy.schema import SLOTS, SQL_ACTIONS

STANDING_ACTIONS: Final = frozenset({"sql.read", "sql.write", EXEC, LINE})
"""What a standing rule may answer for, and a written one ask about."""

HARMLESS_TAGS: Final = ("reads_only", "row_locks", "trusted_code", "writes")
"""All that a rule with values lets pass may be tagged with, whatever the values are."""

ADOPTED_FILE: Final = "adopted.cedar"
"""Where adopted rules stand among the files of a policy."""

_ROWS: Final = frozenset({"UPDATE", "DELETE", "MERGE"})
_COMMANDS: Final = frozenset({EXEC, LINE})
_SLOT_WORD: Final = re.compile(r"\$[0-9]+:[a-z]+")
_FIX: Final = "a suggestion about this is advice only; write the rule by hand"


@dataclass(frozen=True, slots=True)
class _Head:
    """The words in front of a rule."""

    id: str
    title: str
    why: str
    expires_day: int = 0

    def notes(self) -> dict[str, str]:
        notes = {"id": self.id, "title": self.title, "why": self.why}
        if self.expires_day:
            last = dt.date(1970, 1, 1) + dt.timedelta(days=self.expires_day - 1)
            notes["expires"] = last.isoformat()
        return notes


def write_standing(
    rule_id: str,
    title: str,
    why: str,
    expires_day: int,
    scope: SuggestionScope,
    sources: Sequence[SourceRule],
) -> str:
    """A standing rule: what is in `scope` passes where exactly `sources` ask, before that day.

    `expires_day` counts from 1970-01-01 UTC; on that day the rule no longer matches (`@expires` is the
    last on which it does). Raises SettingsError where the scope cannot be said so that it is never
    wider than meant.
    """
    if scope.action not in STANDING_ACTIONS:
        raise _refused(rule_id, f"answers for {scope.action or 'no action'}")
    for given_as, value in (("group", scope.group), ("targets", scope.targets), ("rules that ask", sources),
                            ("account", scope.account), ("day of its end", expires_day > 0), ("templates", scope.templates),
                            ("database", scope.database or scope.action in _COMMANDS)):  # fmt: skip
        if not value:
            raise _refused(rule_id, f"has no {given_as}")
    marks = sorted({source.mark for source in sources})
    parts = [
        there("asked_by"), same_set(context("asked_by"), marks),
        there("day"), less(context("day"), expires_day),
        *_place(scope),
        *_surely(scope),
        *_tables(scope),
        there("template"), is_among(context("template"), scope.templates),
        *_slots(rule_id, scope),
        *_whatever_the_values(scope),
    ]  # fmt: skip
    return _written(_Head(rule_id, title, why, expires_day), _est("permit", scope, all_of(parts)))


def write_asking(
    rule_id: str,
    title: str,
    why: str,
    expires_day: int,
    scope: SuggestionScope,
    groups: Sequence[str],
) -> str:
    """A permit for what is in `scope` once one of `groups` approves; values are for people to look at.

    `expires_day` 0: no end; else it stands in `@expires`, which people read. Raises SettingsError,
    also for other actions than those that a standing rule may answer for.
    """
    if not scope.group:
        raise _refused(rule_id, "has no group")
    if scope.action not in STANDING_ACTIONS:
        raise _refused(rule_id, f"asks about {scope.action or 'no action'}")
    words = list(_words(scope))
    if scope.action in _COMMANDS and not words:
        raise _refused(rule_id, "names no program and no word of a command")
    parts = [
        *_place(scope), *_surely(scope), *_tables(scope), *words, *_approved(rule_id, groups)
    ]  # fmt: skip
    return _written(_Head(rule_id, title, why, expires_day), _est("permit", scope, all_of(parts)))


def write_gate(
    rule_id: str,
    title: str,
    why: str,
    scope: SuggestionScope,
    groups: Sequence[str],
    where: Sequence[str] = (),
) -> str:
    """A forbid for what is in `scope` unless one of `groups` approves. What is empty is not looked at.

    Tables count as soon as one of them is touched; without tables the verb counts. `where` narrows it
    to statements of these kinds (`absent`, `tautology`). Raises SettingsError.
    """
    touched = [
        has_any(context(name), names)
        for name, names in (
            ("tables_read", scope.tables_read), ("tables_written", scope.tables_written)
        )
        if names
    ]  # fmt: skip
    if not touched and scope.verb and scope.action in SQL_ACTIONS:
        touched = [equals(context("verb"), scope.verb)]
    if where:
        touched.append(is_among(context("where"), where))
    parts = [*_place(scope), *touched, *_words(scope)]
    est = _est("forbid", scope, all_of(parts) if parts else None)
    est["conditions"].append({"kind": "unless", "body": all_of(_approved(rule_id, groups))})
    return _written(_Head(rule_id, title, why), est)


def _est(effect: str, scope: SuggestionScope, body: Node | None) -> dict[str, Any]:
    environment = scope.environment
    return {
        "effect": effect,
        "principal": {"op": "in", "entity": entity("Group", scope.group)} if scope.group else {"op": "All"},
        "action": {"op": "==", "entity": entity("Action", scope.action)},
        "resource": {"op": "in", "entity": entity("Environment", environment)}
        if environment
        else {"op": "All"},
        "conditions": [] if body is None else [{"kind": "when", "body": body}],
    }


def _place(scope: SuggestionScope) -> Iterable[Node]:
    for label in scope.labels:
        yield inside("Label", label)
    if scope.targets:
        yield is_entity_among("Target", scope.targets)
    if scope.account:
        yield equals(context("account"), holds("Account", scope.account))
    if scope.database and scope.action in SQL_ACTIONS:
        yield equals(context("database"), scope.database)


def _surely(scope: SuggestionScope) -> Iterable[Node]:
    """That it is known for sure what would run."""
    if scope.action in SQL_ACTIONS:
        yield from (context("tables_complete"), context("functions_complete"))
        return
    sure = [Assurance.EXACT] if scope.action != LINE else [Assurance.EXACT, Assurance.ATTESTED]
    yield from (context("complete"), context("resolved"))
    yield is_among(context("assurance"), [one.value for one in sure])


def _whatever_the_values(scope: SuggestionScope) -> Iterable[Node]:
    """What no value may bring with it: facts that people have to look at.

    Also where values are listed, so that a form which lists them is never wider than one that leaves
    them free. A command without values says in its template all that it is, tags and all: what of
    these may stand in one at all, as of a restart, is asked where it is proposed.
    """
    if scope.slots or scope.action in SQL_ACTIONS:
        yield all_within(context("tags"), HARMLESS_TAGS)
    if scope.action == "sql.write" and scope.verb in _ROWS:
        yield equals(context("where"), "present")
    elif scope.action == "sql.write":
        yield no(is_among(context("where"), ("absent", "tautology")))
    elif scope.action in SQL_ACTIONS and any(one.bound is not SlotBound.EXACT for one in scope.slots):
        yield no(equals(context("where"), "tautology"))


def _tables(scope: SuggestionScope) -> Iterable[Node]:
    if scope.action in SQL_ACTIONS:
        yield same_set(context("tables_read"), scope.tables_read)
        yield same_set(context("tables_written"), scope.tables_written)
        if scope.verb:
            yield equals(context("verb"), scope.verb)


def _words(scope: SuggestionScope) -> Iterable[Node]:
    """What ordinary rules can say of a command: its program, and the words that all of it shares."""
    if scope.action in SQL_ACTIONS:
        return
    if scope.verb and "," not in scope.verb:
        yield equals(context("program"), scope.verb)
    shared = [_literal_words(one) for one in scope.templates]
    common = frozenset.intersection(*shared) if shared else frozenset()
    if common:
        yield has_all(context("argv"), sorted(common))


def _literal_words(template: str) -> frozenset[str]:
    """The words of a command's template that are no slots, nor the program."""
    try:
        words = shlex.split(template)
    except ValueError:
        return frozenset()
    plain = [word for word in template.split(" ") if _SLOT_WORD.fullmatch(word)]
    return frozenset(words[1:]) - frozenset(plain)


def _slots(rule_id: str, scope: SuggestionScope) -> Iterable[Node]:
    """What each slot may hold, and that there are no more of them."""
    count = len(scope.slots)
    if count > MOST_SLOTS:
        raise _refused(rule_id, f"has {count} values, and rules can name {MOST_SLOTS}")
    if count and len(scope.templates) > 1:
        raise _refused(rule_id, "has values, and more than one template")
    for name, slot in zip(SLOTS, scope.slots, strict=False):
        yield there(name)
        yield from _bound(rule_id, name, slot)
    if count < MOST_SLOTS:
        yield no(there(SLOTS[count]))


def _bound(rule_id: str, name: str, slot: SlotScope) -> Iterable[Node]:
    single = len(slot.values) == 1
    if slot.bound is SlotBound.ANY:
        return
    if slot.bound is SlotBound.ANY_OF and slot.values:
        yield is_among(context(name), slot.values)
    elif slot.bound is SlotBound.EXACT and single:
        yield equals(context(name), slot.values[0])
    elif slot.bound is SlotBound.PREFIX and single and slot.values[0]:
        yield begins(context(name), slot.values[0])
        yield no(given(context(name), ["Wildcard", {"Literal": "."}, {"Literal": "."}, "Wildcard"]))
    else:
        raise _refused(rule_id, f"says {slot.bound.value} of a value, and not which")


def _approved(rule_id: str, groups: Sequence[str]) -> list[Node]:
    if not groups:
        raise _refused(rule_id, "asks nobody")
    return [there("approval"), has_any({".": {"left": context("approval"), "attr": "groups"}}, groups)]


def _written(head: _Head, est: Mapping[str, Any]) -> str:
    """The rule as text, read back. Raises SettingsError unless it comes back as it was meant."""
    notes = head.notes()
    text = _text(notes, est)
    try:
        version = load({ADOPTED_FILE: text})
    except UnicodeError as error:  # lone surrogates, which no file can hold
        raise _refused(head.id, "holds what is no text") from error
    rules: list[Rule] = [*version.all_rules]
    meant = {**est, "annotations": notes}
    if len(rules) != 1 or _comparable(rules[0].est) != _comparable(meant):
        raise _refused(head.id, "does not come back as it was written")
    if version.warnings:
        raise _refused(head.id, version.warnings[0].what)
    return text


def _text(notes: Mapping[str, str], est: Mapping[str, Any]) -> str:
    head = ", ".join(_scope(name, est[name]) for name in ("principal", "action", "resource"))
    clauses = "".join(
        f"\n{clause['kind']} {{\n  {written(clause['body'])}\n}}" for clause in est["conditions"]
    )
    words = "".join(f"@{name}({quoted(value)})\n" for name, value in notes.items())
    return f"{words}{est['effect']} ({head}){clauses};\n"


def _scope(name: str, scope: Mapping[str, Any]) -> str:
    return name if scope["op"] == "All" else f"{name} {scope['op']} {uid(scope['entity'])}"


def _comparable(est: Mapping[str, Any]) -> str:
    return json.dumps(est, sort_keys=True)


def _refused(rule_id: str, what: str) -> SettingsError:
    return SettingsError(what, file=ADOPTED_FILE, key=f"rule {rule_id}", fix=_FIX)
