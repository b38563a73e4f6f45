"""How far a template may reach: one value, some, what begins so, any; never wider than is safe.

Forms and what they cover. A slot is freed only where it compares for equality, is not sensitive,
and holds enough values of enough persons; whether people said no below it is asked here, too.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.likeness import Likeness
from gatekeep.domain.suggestions import Rejected, SlotBound, SlotScope
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.naming import form_of

LEAST_VALUES: Final = 5
LEAST_PERSONS: Final = 3
"""A slot is freed by so many values, of so many persons."""
LEAST_OF_VALUE: Final = 2
"""A value stands in a set once so many persons used it; so many make a set."""
MOST_LISTED: Final = 100
"""How many values a set may hold at most."""
_PREFIX_DEPTH: Final = 4
"""How many slashes a common beginning of paths has at least: `/var/log/app/`."""
_SHOWN_EXAMPLES: Final = 3
_KEY: Final = re.compile(
    r"=?[0-9]{1,20}|(?:=|')?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}'?"
)
"""A value that is a row's own name: a number or a UUID, as written or as bound."""
_QUOTED_NAME: Final = re.compile(r'"[^"]*"')
_SLOT: Final = re.compile(r"\$[0-9]+(?::\w+)?")
# A word that is no column is none: bound as a truth value, `true = $1` holds always.
_EQUAL: Final = re.compile(r"(?!(?:true|false|null|\w*user|(?:current|local)\w+) )\w+(?: \. \w+)* = (\$[0-9]+(?::\w+)?)(?: :: \w+)?")
# Rows share what the target itself writes in them: all that one load brought in has one xmin.
_OF_THE_TARGET: Final = re.compile(r"\b(?:tableoid|ctid|[cx]m(?:in|ax))\b", re.IGNORECASE)
_NOT_JOINED: Final = frozenset({"or", "between", "case", "where"})
_NEXT_CLAUSE: Final = frozenset(
    {"group", "having", "window", "order", "limit", "offset", "fetch", "for", "returning", "union",
     "intersect", "except", ";"}
)  # fmt: skip

Persons = Callable[[Deed], str]


@dataclass(frozen=True, slots=True)
class Form:
    """What each slot may hold, and the deeds that it covers."""

    slots: tuple[SlotScope, ...]
    covered: tuple[Deed, ...]


def covers(slots: Sequence[SlotScope], values: Sequence[str]) -> bool:
    """Whether values lie within what the slots may hold."""
    if not slots and not values:
        return True
    return len(slots) == len(values) and all(map(within, slots, values))


def within(slot: SlotScope, value: str) -> bool:
    """Whether a slot may hold this value."""
    if slot.bound is SlotBound.ANY:
        return True
    if slot.bound is SlotBound.PREFIX:
        return value.startswith(slot.values[0]) and ".." not in value
    return value in slot.values


def values_of(deed: Deed) -> tuple[str, ...]:
    """The values of a deed's slots; nothing where it has no likeness."""
    return deed.likeness.values if deed.likeness is not None else ()


# --- what may be freed ----------------------------------------------------------------------------


def freeable(likeness: Likeness, *, bounded: bool) -> frozenset[int]:
    """The places of slots that could stand for other values at all, from 0.

    Not sensitive ones. `bounded`: of SQL, every statement has a WHERE that restricts it; of commands,
    all of them only read. Of SQL only those that are compared for equality with a column by a WHERE
    that all of it must hold: another value of `SET plan = $1`, `id > $1` or `a = b OR id = $1` is
    another deed altogether. And only where the value is a number or a UUID, which tells one row from
    another: a word is one of a few names, each of which means something else.
    """
    if not bounded:
        return frozenset()
    written = sum(one.type != "bound" for one in likeness.slots)
    compared = _compared(likeness.template)
    found = set()
    for at, slot in enumerate(likeness.slots):
        name = f"${at + 1 - written}" if slot.type == "bound" else f"${at + 1}:{slot.type}"
        keyed = name in compared and _KEY.fullmatch(slot.value) is not None
        if not slot.sensitive and (keyed or slot.type in {"path", "number"}):
            found.add(at)
    return frozenset(found)


@functools.lru_cache(maxsize=4096)
def _compared(template: str) -> frozenset[str]:
    """The names of slots that stand nowhere but in `column = slot`, each a part of the own WHERE.

    Of SQL the tokens of a template are set apart by blanks. Nothing where the parts of the WHERE are
    not all joined by AND, or a word in it could take an AND for itself.
    """
    outer = _outermost(_QUOTED_NAME.sub("name", template).split(" "))
    if "where" not in outer or _OF_THE_TARGET.search(template):
        return frozenset()
    clause = list(itertools.takewhile(_in_clause, outer[outer.index("where") + 1 :]))
    if not _NOT_JOINED.isdisjoint(clause):
        return frozenset()
    parts = " ".join(clause).split(" and ")
    named = Counter(found[1] for one in parts if (found := _EQUAL.fullmatch(one)))
    everywhere = Counter(_SLOT.findall(template))
    return frozenset(name for name, count in named.items() if everywhere[name] == count)


def _outermost(tokens: Sequence[str]) -> list[str]:
    """The tokens that no brackets hold, with one bracket for all that they do."""
    depth = 0
    found = []
    for token in tokens:
        depth -= token in {")", "]"}
        if not depth:
            found.append(token)
        depth += token in {"(", "["}
    return found


def _in_clause(token: str) -> bool:
    return token not in _NEXT_CLAUSE


def common_folder(values: Sequence[str]) -> str:
    """The folder that all these paths lie in, with its slash; empty where it is too high up."""
    low, high = min(values), max(values)
    length = next(
        (at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other),
        min(len(low), len(high)),
    )
    folder = low[:length].rpartition("/")[0] + "/"
    deep = folder.startswith("/") and folder.count("/") >= _PREFIX_DEPTH
    return folder if deep and ".." not in folder else ""


# --- forms ------------------------------------------------------------------------------------


def forms(
    deeds: Sequence[Deed], spoken: Sequence[Deed], person: Persons, *, bounded: bool
) -> Iterator[Form]:
    """Every form of one template that its evidence could carry, wide and narrow ones.

    `deeds` are what counts, of one template; `spoken` speak against, and no form covers any of them.
    At most one slot is a set: of two, pairs would pass that nobody saw.
    """
    if not deeds:
        return
    no = [values_of(one) for one in spoken]
    for form in _all_forms(deeds, person, bounded=bounded):
        if not any(covers(form.slots, one) for one in no):
            yield form


def _all_forms(deeds: Sequence[Deed], person: Persons, *, bounded: bool) -> Iterator[Form]:
    likeness = deeds[0].likeness
    places = range(len(values_of(deeds[0])))
    if likeness is None or not places:
        yield from () if likeness is None else (Form((), tuple(deeds)),)
        return
    may = frozenset.intersection(
        *(freeable(one, bounded=bounded) for one in {d.likeness for d in deeds if d.likeness})
    )
    worth = {at for at in may if _enough([values_of(one)[at] for one in deeds], deeds, person)}
    for free in {frozenset(worth), *(frozenset({at}) for at in worth), frozenset[int]()}:
        yield from _freed(deeds, free, None, person)
        for at in places:
            if at not in free:
                yield from _freed(deeds, free, at, person)


def _freed(
    deeds: Sequence[Deed], free: frozenset[int], listed: int | None, person: Persons
) -> Iterator[Form]:
    """Forms with these slots freed, one listed, and the rest as they were."""
    alike: dict[tuple[str, ...], list[Deed]] = defaultdict(list)
    rest: dict[int, tuple[str, ...]] = {}  # by identity: many deeds share one likeness
    for deed in deeds:
        kept = rest.get(id(deed.likeness))
        if kept is None:
            kept = rest[id(deed.likeness)] = tuple(
                value for at, value in enumerate(values_of(deed)) if at not in free and at != listed
            )
        alike[kept].append(deed)
    for group in alike.values():
        form = _form(group, free, listed, person)
        if form is not None:
            yield form


def _form(
    group: Sequence[Deed], free: frozenset[int], listed: int | None, person: Persons
) -> Form | None:
    slots = []
    for at, value in enumerate(values_of(group[0])):
        if at in free:
            slot = _free_slot(group, at, person)
        elif at == listed:
            slot = _listed_slot(group, at, person)
        else:
            slot = SlotScope(SlotBound.EXACT, (value,))
        if slot is None:
            return None
        slots.append(slot)
    scope = tuple(slots)
    return Form(scope, tuple(one for one in group if covers(scope, values_of(one))))


def _free_slot(group: Sequence[Deed], at: int, person: Persons) -> SlotScope | None:
    values = [values_of(one)[at] for one in group]
    if not _enough(values, group, person):
        return None
    if group[0].likeness is not None and group[0].likeness.slots[at].type == "path":
        folder = common_folder(values)
        return SlotScope(SlotBound.PREFIX, (folder,)) if folder else None
    return SlotScope(SlotBound.ANY)


def _listed_slot(group: Sequence[Deed], at: int, person: Persons) -> SlotScope | None:
    """What was approved twice, of two persons and by two. Of SQL a sensitive value stands alone."""
    likeness = group[0].likeness
    if likeness is None or (likeness.slots[at].sensitive and likeness.slots[at].type != "path"):
        return None
    by: dict[str, list[Deed]] = defaultdict(list)
    for deed in group:
        by[values_of(deed)[at]].append(deed)
    sure = sorted(
        value
        for value, deeds in by.items()
        if len({person(one) for one in deeds}) >= LEAST_OF_VALUE
        and len({name for one in deeds if one.weight >= 1 for name in one.approvers}) >= LEAST_OF_VALUE
    )
    if not LEAST_OF_VALUE <= len(sure) <= MOST_LISTED:
        return None
    return SlotScope(SlotBound.ANY_OF, tuple(sure))


def _enough(values: Sequence[str], deeds: Sequence[Deed], person: Persons) -> bool:
    return len(set(values)) >= LEAST_VALUES and len({person(one) for one in deeds}) >= LEAST_PERSONS


# --- wider forms that are not proposed -------------------------------------------------------


def wider(
    form: Form, deeds: Sequence[Deed], spoken: Sequence[Deed], person: Persons, *, bounded: bool
) -> Iterator[Rejected]:
    """What would be a step wider than a form, slot by slot, and why it is not proposed."""
    likeness = form.covered[0].likeness
    if likeness is None:
        return
    may = freeable(likeness, bounded=bounded)
    for at, slot in enumerate(form.slots):
        seen = {values_of(one)[at] for one in (*deeds, *spoken)}
        if slot.bound is SlotBound.ANY or (slot.bound is not SlotBound.PREFIX and len(seen) < 2):  # noqa: PLR2004 - another one than its own
            continue
        broad = (*form.slots[:at], SlotScope(SlotBound.ANY), *form.slots[at + 1 :])
        no = [one for one in spoken if covers(broad, values_of(one))]
        yield Rejected(
            form_of(likeness.template, broad),
            _why_not(at in may, no, [values_of(one)[at] for one in deeds], deeds, person),
            tuple(sorted(one.n for one in no)),
            tuple(sorted({one.text for one in no})[:_SHOWN_EXAMPLES]),
        )


def _why_not(
    may: bool, no: Sequence[Deed], values: Sequence[str], deeds: Sequence[Deed], person: Persons
) -> str:
    if no:
        return f"it would also allow what people denied, {len(no)} in all"
    if not may:
        return "this value says whose, how much or how far, so others never stand for it"
    persons = len({person(one) for one in deeds})
    return (
        f"{len(set(values))} values by {persons} persons were seen"
        f" ({LEAST_VALUES} by {LEAST_PERSONS} are needed, and of paths a common folder)"
    )


def wildcards(template: str) -> list[str]:
    """The template of a command with one word free, for each word behind the first, last first."""
    words = template.split(" ")
    return [
        " ".join([*words[:at], "*", *words[at + 1 :]]) for at in range(len(words) - 1, 0, -1)
    ]


def word_wider(form: str, no: Sequence[Deed]) -> Rejected:
    """Over SSH: a template with one word free, and what people denied below it.

    It is never proposed: a word of a command names what it acts on.
    """
    return Rejected(
        form,
        _why_no_word(no),
        tuple(sorted(one.n for one in no)),
        tuple(sorted({one.text for one in no})[:_SHOWN_EXAMPLES]),
    )


def _why_no_word(no: Sequence[Deed]) -> str:
    if not no:
        return "a word of a command names what it acts on, so it never stands for others"
    texts = sorted({one.text for one in no})
    return "it would also allow " + ", ".join(
        f"`{text}` ({sum(one.text == text for one in no)} denied)"
        for text in texts[:_SHOWN_EXAMPLES]
    )
