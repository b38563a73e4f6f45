"""Invented neighbours of what was seen: what else a rule would reach. Decides nothing itself.

A neighbour differs from a deed in one thing. Where a scope leaves that thing open it may pass, and
is shown; where it does not, `never` says what would be wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gatekeep.domain.grants import Slot
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.neighbours import neighbours
from gatekeep.domain.suggestions import SlotBound, SlotScope, SuggestionScope
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.judging import Act

NEVER_TAGS: Final = (
    "destructive", "privilege", "persistence", "reads_secret", "opens_opaque", "network_egress",
    "mutable_code", "edit_and_execute",
)  # fmt: skip
"""What no adopted rule may reach, whatever else holds."""

_NEVER_CLASSES: Final = ("sql.opaque", "sql.procedural", "sql.ddl", "sql.dcl", "sql.copy", "sql.session")
_SSH_OTHERS: Final = ("ssh.shell", "ssh.line", "ssh.exec", "ssh.opaque")
_MOST_PLACES: Final = 24
_PREFIX_SLASHES: Final = 4
_QUOTED: Final = re.compile(r"[A-Za-z&]{0,2}'.*'", re.DOTALL)
_QUOTED_NAME: Final = re.compile(r'"[^"]*"')
_STEP: Final = re.compile(r"(?<!\S)where(?!\S)|[()]", re.IGNORECASE)
_PLACE: Final = re.compile(r"\$([1-9])(?::\w+)?(?!\w)")
_NUMBER: Final = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Something nobody did. `never`: why it must not pass; empty where it lies in the scope.

    `in_words`: it differs in words or values alone, which only adopted permits see; rules that ask
    may reach it.
    """

    text: str
    act: Act
    never: str = ""
    in_words: bool = False


def around(deed: Deed, scope: SuggestionScope, expired_day: int) -> Iterator[Neighbour]:
    """The neighbours of one deed. `expired_day` is a day on which no adopted rule may count."""
    yield from _elsewhere(deed, scope)
    yield from _by_others(deed, scope)
    free = any(one.bound in {SlotBound.ANY, SlotBound.PREFIX} for one in scope.slots)
    yield from _other_facts(deed, free=free)
    yield from _other_words(deed, scope)
    yield from _other_values(deed, scope)
    act = Act(deed.request, deed.likeness, expired_day)
    yield Neighbour(f"{deed.text} after the rule has ended", act, "the rule has ended", in_words=True)


# --- who and where ---------------------------------------------------------------------------


def _elsewhere(deed: Deed, scope: SuggestionScope) -> Iterator[Neighbour]:
    where = deed.where
    target: Mapping[str, Any] = deed.request.get("target") or {}
    for name in (f"{where.target}-2", f"x{where.target}"):
        yield _with(deed, f"on {name}", "another target", target={**target, "name": name})
    for other in ("prod", "staging", ""):
        if other != where.environment:
            yield _with(
                deed, f"in the environment {other or '(none)'}", "another environment",
                target={**target, "environment": other},
            )  # fmt: skip
    yield from _other_labels(deed, scope, target)
    for account in ("root", "postgres", f"{where.account}2"):
        if account != where.account:
            yield _with(deed, f"as {account}", "another account", account=account)
    if where.kind == "postgres":
        for database in ("postgres", f"{where.database}2"):
            if database != where.database:
                yield _with(
                    deed, f"in the database {database}", "another database", database=database
                )


def _other_labels(
    deed: Deed, scope: SuggestionScope, target: Mapping[str, Any]
) -> Iterator[Neighbour]:
    where = deed.where
    for label in sorted(where.labels):
        key, equals, _ = label.partition("=")
        never = "other labels" if label in scope.labels else ""
        rest = sorted(where.labels - {label})
        others = [f"{key}=db", f"{key}=other"] if equals else [f"{key}-other"]
        yield _with(deed, f"without {label}", never, target={**target, "labels": rest})
        for other in others:
            if other != label:
                labels = sorted({*rest, other})
                yield _with(deed, f"on {other}", never, target={**target, "labels": labels})


def _by_others(deed: Deed, scope: SuggestionScope) -> Iterator[Neighbour]:
    who: Mapping[str, Any] = deed.request.get("principal") or {}
    groups = [str(one) for one in who.get("groups", ()) if one != scope.group]
    stranger = {"name": "stranger", "person": "stranger", "owner": ""}
    for held in (groups, [], [f"{scope.group}2"], ["everybody"]):
        yield _with(
            deed, f"by somebody outside {scope.group}", "another group",
            principal={**who, **stranger, "groups": sorted(held)},
        )  # fmt: skip


# --- facts -----------------------------------------------------------------------------------


def _other_facts(deed: Deed, *, free: bool) -> Iterator[Neighbour]:
    """The same template with facts that the deed does not have.

    Some facts follow from the text: they can only be others where a value of it is `free`.
    """
    if deed.request.get("statements"):
        yield from _other_statements(deed)
        if free:
            yield from _tagged(deed, "statements")
            if deed.action == "sql.write":
                yield _statement(
                    deed, "with a WHERE that always holds", "a write of every row", where="tautology"
                )
    elif deed.request.get("commands"):
        yield from _other_commands(deed)
        if free:
            yield from _tagged(deed, "commands")


def _other_statements(deed: Deed) -> Iterator[Neighbour]:
    first: Mapping[str, Any] = deed.request["statements"][0]
    for name in ("tables_read", "tables_written"):
        tables = [str(one) for one in first.get(name, ())]
        for text, held in (("also", [*tables, "public.secrets"]), ("only", ["public.secrets"])):
            yield _statement(
                deed, f"{name.replace('_', ' ')} {text} public.secrets", "another table",
                **{name: sorted(held)},
            )  # fmt: skip
    yield _statement(deed, "tables not known for sure", "incomplete facts", tables_complete=False)
    for action in _NEVER_CLASSES:
        if action != deed.action:
            yield _statement(deed, f"as {action}", "another class", action=action)
    if first.get("action") == "sql.write" and deed.likeness is not None:
        yield _whole_table(deed, deed.likeness)
    yield _with(deed, "as a function call", "another way in", mode="function_call")


def _other_commands(deed: Deed) -> Iterator[Neighbour]:
    for action in _SSH_OTHERS:
        if action != deed.action:
            yield _command(deed, f"as {action}", "another class", action=action)
    for assurance in ("inferred", "opaque"):
        yield _with(deed, f"known as {assurance}", "not known for sure", assurance=assurance)
    yield _with(deed, "not resolved", "not known for sure", resolved=False)
    yield _command(deed, "with words that are not literal", "incomplete facts", complete=False)


def _whole_table(deed: Deed, likeness: Likeness) -> Neighbour:
    """The write with its WHERE left out, and the values with it."""
    template = re.split(r"\s+where\b", likeness.template, maxsplit=1, flags=re.IGNORECASE)[0]
    kept = tuple(
        slot for number, slot in enumerate(likeness.slots, 1)
        if re.search(rf"\${number}(?!\d)", template)
    )  # fmt: skip
    first, *others = deed.request["statements"]
    request = {**deed.request, "statements": [{**first, "where": "absent"}, *others]}
    return Neighbour(
        f"{template} (no WHERE)", Act(request, Likeness(template + " ", kept), _day(deed)),
        "a write of every row",
    )  # fmt: skip


def _tagged(deed: Deed, parts: str) -> Iterator[Neighbour]:
    first: Mapping[str, Any] = deed.request[parts][0]
    for tag in NEVER_TAGS:
        held = [str(one) for one in first.get("tags", ())]
        if tag in held:
            continue
        both = {"tags": sorted([*held, tag]), "known_tags": sorted([*held, tag])}
        yield _part(deed, parts, f"being {tag}", f"it is {tag}", both)


# --- words and values ------------------------------------------------------------------------


def _other_words(deed: Deed, scope: SuggestionScope) -> Iterator[Neighbour]:
    """Other templates: a word more, a word less, another word in each place."""
    likeness = deed.likeness
    if likeness is None:
        return
    words = likeness.template.split(" ")
    places = list(enumerate(words))[:_MOST_PLACES]
    padded = [("--force", [*words, "--force"]), ("-x", [words[0], "-x", *words[1:]])]
    shorter = [(f"no {word}", words[:at] + words[at + 1 :]) for at, word in places]
    replaced = [
        (f"{other} for {word}", [*words[:at], other, *words[at + 1 :]])
        for at, word in places
        for other in ("*", "sshd", "stop")
        if other != word
    ]
    for what, changed in (*padded, *shorter, *replaced):
        template = " ".join(changed)
        if template in scope.templates or not template:
            continue
        act = Act(_words_of(deed, changed), replace(likeness, template=template), _day(deed))
        yield Neighbour(f"{template} ({what})", act, "another template", in_words=True)
    bare = Act(deed.request, None, _day(deed))
    yield Neighbour(f"{deed.text} in a text like no other", bare, "another template", in_words=True)


def _words_of(deed: Deed, words: list[str]) -> Mapping[str, Any]:
    """The recorded request with these words, where it is a command's."""
    commands = deed.request.get("commands")
    if not commands:
        return deed.request
    first = {
        **commands[0], "program": words[0] if words else "", "argv": sorted(set(words)),
        "flags": sorted({word for word in words if word.startswith("-")}),
    }  # fmt: skip
    return {**deed.request, "commands": [first, *commands[1:]]}


def _other_values(deed: Deed, scope: SuggestionScope) -> Iterator[Neighbour]:
    likeness = deed.likeness
    if likeness is None:
        return
    for at, slot in enumerate(likeness.slots):
        bound = scope.slots[at] if at < len(scope.slots) else SlotScope(SlotBound.EXACT, (slot.value,))
        fixed = _why_fixed(deed, likeness, at)
        for value in _values_beside(slot, bound):
            slots = (*likeness.slots[:at], replace(slot, value=value), *likeness.slots[at + 1 :])
            changed = replace(likeness, slots=slots)
            act = Act(_request_with(deed, slot.value, value), changed, _day(deed))
            yield Neighbour(
                f"{filled(changed)} ({value} for {slot.value})", act,
                _wrong(slot, bound, value, fixed), in_words=True,
            )  # fmt: skip
    if likeness.slots:
        fewer = Likeness(likeness.template, likeness.slots[:-1])
        yield Neighbour(
            f"{likeness.template} with a value less", Act(deed.request, fewer, _day(deed)),
            "another template", in_words=True,
        )  # fmt: skip


def _why_fixed(deed: Deed, likeness: Likeness, at: int) -> str:
    """Why a slot may hold nothing but what was seen, whatever a scope says; empty if it may.

    What a statement writes, and what a command that does more than read is told, is the deed
    itself and not whom it is done to.
    """
    slot = likeness.slots[at]
    if slot.sensitive:
        return "a sensitive value"
    if deed.action == "sql.write" and at in _before_where(likeness):
        return "a value that is written"
    tags = deed.request["commands"][0].get("tags", ()) if deed.request.get("commands") else ()
    if deed.action.startswith("ssh.") and "reads_only" not in tags:
        return "a value of what does more than read"
    return ""


def _before_where(likeness: Likeness) -> frozenset[int]:
    """The places (from 0) of slots that stand before the statement's own WHERE, or have none."""
    front = _front(likeness.template)
    literals = sum(one.type != "bound" for one in likeness.slots)
    found = set()
    for at, slot in enumerate(likeness.slots):
        name = rf"\${at + 1}:" if slot.type != "bound" else rf"\${at + 1 - literals}(?![0-9:])"
        if re.search(name, front):
            found.add(at)
    return frozenset(found)


def _front(template: str) -> str:
    """What stands before the first WHERE that no parentheses hold, quoted names left out."""
    bare = _QUOTED_NAME.sub("name", template)
    depth = 0
    for found in _STEP.finditer(bare):
        word = found[0].lower()
        if word == "where" and not depth:
            return bare[: found.start()]
        depth += (word == "(") - (word == ")")
    return bare


def _request_with(deed: Deed, old: str, new: str) -> Mapping[str, Any]:
    """The recorded request of a command with one word for another."""
    commands = deed.request.get("commands")
    if not commands:
        return deed.request
    first = dict(commands[0])
    for name in ("argv", "paths"):
        if name in first:
            first[name] = sorted({new if one == old else one for one in first[name]})
    return {**deed.request, "commands": [first, *commands[1:]]}


def _values_beside(slot: LikeSlot, bound: SlotScope) -> Iterator[str]:
    if slot.type == "path":
        folder = slot.value.rpartition("/")[0]
        prefix = bound.values[0] if bound.bound is SlotBound.PREFIX else f"{folder}/"
        yield from (
            f"{prefix}../../etc/shadow", f"{prefix}..", "/etc/shadow", f"{folder}2/x", "/",
            f"{prefix}never-seen",
        )  # fmt: skip
        return
    if slot.type == "bound":
        yield "NULL"
    kind = "number" if _NUMBER.fullmatch(slot.value) else "string"
    quoted = kind == "string" and _QUOTED.fullmatch(slot.value) is not None
    made = Slot(1, kind, slot.value, bound=slot.type == "bound", sensitive=slot.sensitive)
    for value in neighbours(made):
        plain = kind == "string" and not quoted and value[:1] == "'" == value[-1:]
        yield value[1:-1] if plain else value


def _wrong(slot: LikeSlot, bound: SlotScope, value: str, fixed: str) -> str:
    """Why this value may not stand there; empty where the scope leaves the slot open for it."""
    free = bound.bound in {SlotBound.ANY, SlotBound.PREFIX}
    if slot.type == "path" and ".." in value:
        return "a path that leads out"
    if free and fixed:
        return fixed
    if slot.type == "path" and free and not _deep(bound):
        return "a path anywhere"
    if bound.bound is SlotBound.PREFIX:
        return "" if value.startswith(bound.values[0]) else "a value outside the prefix"
    return "" if free or value in bound.values else "a value that was not seen"


def _deep(bound: SlotScope) -> bool:
    """Whether a prefix is a folder deep enough: `/var/log/app/`."""
    return bound.bound is SlotBound.PREFIX and all(
        one.endswith("/") and one.count("/") >= _PREFIX_SLASHES for one in bound.values
    )


def filled(likeness: Likeness) -> str:
    """The template with its values in place."""
    values = likeness.values

    def value(found: re.Match[str]) -> str:
        at = int(found[1]) - 1
        return values[at] if 0 <= at < len(values) else found[0]

    return _PLACE.sub(value, likeness.template)


# --- making them -----------------------------------------------------------------------------


def _day(deed: Deed) -> int:
    return day_of(deed.at_us)


def _with(deed: Deed, what: str, never: str, **changes: Any) -> Neighbour:
    act = Act({**deed.request, **changes}, deed.likeness, _day(deed))
    return Neighbour(f"{deed.text} {what}", act, never)


def _statement(deed: Deed, what: str, never: str, **changes: Any) -> Neighbour:
    return _part(deed, "statements", what, never, changes)


def _command(deed: Deed, what: str, never: str, **changes: Any) -> Neighbour:
    return _part(deed, "commands", what, never, changes)


def _part(
    deed: Deed, parts: str, what: str, never: str, changes: Mapping[str, Any]
) -> Neighbour:
    first, *others = deed.request[parts]
    act = Act({**deed.request, parts: [{**first, **changes}, *others]}, deed.likeness, _day(deed))
    return Neighbour(f"{deed.text} {what}", act, never)
