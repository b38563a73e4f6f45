"""What is the same in other words: a refusal of one spelling speaks against the others.

Loose on purpose, since it only ever keeps something from being let pass. No floors, no forms here.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.ground import against
from gatekeep.feedback.programs import unwrapped, words_of
from gatekeep.feedback.reading_deeds import SHOWN_CHARACTERS
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.template import template_of

_SLOT: Final = re.compile(r"\$([0-9]+)(?::(\w+))?")
_NULL: Final = "NULL"
_SOME: Final = "?"
_TABLE_NEXT: Final = frozenset({"from", "into", "join", "update"})
_NO_ALIAS: Final = frozenset(
    {"cross", "for", "from", "full", "group", "having", "inner", "join", "left", "limit", "natural", "offset",
     "on", "order", "returning", "right", "select", "set", "union", "using", "values", "where", ";", ","}
)  # fmt: skip


class Spelling(NamedTuple):
    """`core` is what stays whatever the spelling is, `flags` the options that it came with."""

    core: tuple[str, ...]
    flags: frozenset[str]


def likeness_for(deed: Deed) -> Likeness | None:
    """What a deed is like; of a refused statement that was not proven also what its text is like."""
    if deed.likeness is not None or deed.action.startswith("ssh.") or len(deed.text) >= SHOWN_CHARACTERS:
        return deed.likeness
    try:
        return sql_likeness(template_of(deed.text), deed.text)
    except Exception:  # noqa: BLE001 - whatever a text does to its readers, it is like no other
        return None


def spelling_of(deed: Deed) -> Spelling | None:
    """The spelling of a deed; None where nothing is like it."""
    like = deed.likeness
    if like is None:
        return None
    if deed.action.startswith("ssh."):
        return _command(like.template)
    return Spelling(_statement(like.template), frozenset())


@functools.lru_cache(maxsize=8192)
def _command(template: str) -> Spelling:
    """The program and its words whatever their order, without folders, wrappers and `.service`."""
    words = unwrapped(words_of(template))
    flags = [word for word in words[1:] if word.startswith("-")]
    others = [word for word in words[1:] if not word.startswith("-")]
    values = [f"?{found[2]}" for word in others if (found := _SLOT.fullmatch(word))]
    plain = [word.removesuffix(".service") for word in others if not _SLOT.fullmatch(word)]
    return Spelling((*words[:1], *sorted(plain), *values), frozenset(_apart(flags)))


def _apart(flags: Iterable[str]) -> Iterable[str]:
    """`-rf` is `-r` and `-f`."""
    for flag in flags:
        if flag.startswith("--") or not flag[1:].isalpha():
            yield flag
        else:
            yield from (f"-{letter}" for letter in flag[1:])


@functools.lru_cache(maxsize=8192)
def _statement(template: str) -> tuple[str, ...]:
    """Its words without types of values, quotes, brackets, schemas, aliases, and what it returns."""
    words = [_plain(word) for word in template.split(" ") if word not in {"(", ")", ";"}]
    found: list[str] = []
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        if word == "returning":
            break
        belongs, typed = after == ".", word == "::" and found[-1:] == [_SOME]
        if belongs or typed or (word, after) == ("and", "true"):
            at += 2
        else:
            found.append(word)
            at += 1
            if found[-2:-1] and found[-2] in _TABLE_NEXT:
                at += _alias(words[at : at + 2])
    return tuple(found)


def _plain(word: str) -> str:
    if _SLOT.fullmatch(word):
        return _SOME
    return word[1:-1] if word[:1] == '"' == word[-1:] and word[1:-1].islower() else word


def _alias(words: Sequence[str]) -> int:
    """How many of these words name a table anew."""
    if words[:1] == ["as"]:
        return 2
    return 1 if words and words[0].isidentifier() and words[0] not in _NO_ALIAS else 0


def same_or_more(denied: Spelling, asked: Spelling) -> bool:
    """Whether what is asked is what was denied, perhaps with more options."""
    return denied.core == asked.core and all(
        any(_same(one, other) for other in asked.flags) for one in denied.flags
    )


def _same(one: str, other: str) -> bool:
    """`-f` may be short for `--force`."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) == len("-f") and long.startswith(f"--{short[1:]}")


class Refusals:
    """All that speaks against letting something pass, by what it is in other words."""

    def __init__(self, deeds: Iterable[Deed]) -> None:
        self._known: Mapping[tuple[object, ...], list[tuple[Spelling, Deed]]] = defaultdict(list)
        for deed in deeds:
            if against(deed):
                like = likeness_for(deed)
                found = deed if like is deed.likeness else replace(deed, likeness=like)
                spelling = spelling_of(found)
                if spelling is not None:
                    self._known[_place(found), spelling.core].append((spelling, found))

    def of(self, deed: Deed) -> list[Deed]:
        """What speaks against the like of a deed, told in its own spelling; in the order of coming.

        On any target of the environment, whichever tables were known, and over SSH also in a shell.
        """
        spelling = spelling_of(deed)
        if spelling is None or deed.likeness is None:
            return []
        found = []
        for other, no in self._known.get((_place(deed), spelling.core), ()):
            if same_or_more(other, spelling):
                told = _told_as(no, deed.likeness)
                found += [] if told is None else [told]
        return found


def _place(deed: Deed) -> tuple[str, ...]:
    where = deed.where
    family = "ssh" if deed.action.startswith("ssh.") else "sql"
    return family, where.environment, where.account, where.database


def _told_as(no: Deed, like: Likeness) -> Deed | None:
    """A refused deed with the template of another spelling, its values in that one's places.

    None where its values do not fit there: it is another deed then.
    """
    if no.likeness is None or no.likeness.template == like.template:
        return no
    values: dict[int, str] = {}
    mine, theirs = _places(no.likeness), _places(like)
    if len(mine) != len(theirs):
        return None
    for one, other in zip(mine, theirs, strict=True):
        value = _said(no.likeness.slots[one], like.slots[other])
        if values.setdefault(other, value) != value:
            return None
    slots = tuple(
        replace(slot, value=values.get(at, slot.value)) for at, slot in enumerate(like.slots)
    )
    return replace(no, likeness=Likeness(like.template, slots))


def _places(like: Likeness) -> list[int]:
    """Which slot stands at each place of a template where one stands, in the order of the text."""
    written = sum(slot.type != "bound" for slot in like.slots)
    found = []
    for one in _SLOT.finditer(like.template):
        at = int(one[1]) - 1 + (0 if one[2] else written)
        if at < len(like.slots):
            found.append(at)
    return found


def _said(slot: LikeSlot, other: LikeSlot) -> str:
    """The value of one slot as it would stand in another one."""
    value = slot.value
    if value == _NULL:
        return value
    if slot.type == "bound":
        value = value.removeprefix("=")
    elif slot.type == "text" and len(value) > 1 and value[:1] == "'" == value[-1:]:
        value = value[1:-1].replace("''", "'")
    if other.type == "bound":
        return f"={value}"
    quoted = value.replace("'", "''")
    return f"'{quoted}'" if other.type == "text" else value
