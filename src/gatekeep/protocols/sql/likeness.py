"""What a statement has in common with its like: its template, and the values that stand in it here.

From the text as events hold it, so that gate and journal come to the same. Nothing is judged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gatekeep.domain.actions import BoundValue
from gatekeep.domain.grants import Slot
from gatekeep.domain.likeness import MOST_SLOTS, Likeness, LikeSlot
from gatekeep.protocols.sql.redact import MASK
from gatekeep.protocols.sql.slots import slots_of
from gatekeep.protocols.sql.template import template_of

BoundShown = str | Mapping[str, Any] | None
"""A bound value as events show it: its text, None for NULL, or only what is known of one not shown."""

_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = rf"{_DATE} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?"
_FORMS: Final = (
    (re.compile(r"-?[0-9]+"), frozenset({20, 21, 23})),
    (re.compile(r"-?[0-9]+\.[0-9]+"), frozenset({1700})),
    (re.compile(r"t|f|true|false"), frozenset({16})),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), frozenset({2950})),
    (re.compile(_DATE), frozenset({1082})),
    (re.compile(_TIME), frozenset({1114})),
    (re.compile(rf"{_TIME}[+-][0-9]{{2}}(?::[0-9]{{2}})?"), frozenset({1184})),
)
"""What a text looks like, and the types that may be declared for it, by oid."""
_TEXTS: Final = frozenset({25, 1043})
_NOT_SAID: Final = 0


def bound_values(parameters: Sequence[BoundValue]) -> list[BoundShown]:
    """Bound values for `sql_likeness`, as the payload of an event shows them.

    Nothing is shown of one whose type is not the one that its text looks like: the same text is
    another row as a real, another day as a date, another way out of a document as a number. Events
    do not tell types.
    """
    return [
        {"length": one.length, "secret": one.secret}
        if one.secret or one.sha256 or not _as_it_looks(one)
        else one.text
        for one in parameters
    ]


def _as_it_looks(value: BoundValue) -> bool:
    if value.oid == _NOT_SAID:
        return True
    text = value.text
    if text is None:  # NULL is NULL, but a type of the user's own may run code
        return value.oid in _TEXTS or any(value.oid in oids for _form, oids in _FORMS)
    types = next((oids for form, oids in _FORMS if form.fullmatch(text)), _TEXTS)
    return value.oid in types


def sql_likeness(
    template: str, text: str, bound: Sequence[BoundShown] = ()
) -> Likeness | None:
    """The likeness of one statement: `template` is that of its facts, `text` is redacted.

    None where it has none: only its exact bytes count, the text is not one statement of this
    template, a value is hidden, or there are more slots than rules can name. A bound value reads
    `=text`, or `NULL`.
    """
    if not template or template.startswith("exact:"):
        return None
    values = [one for one in bound if one is None or isinstance(one, str)]
    if len(values) != len(bound):
        return None
    if template_of(text) not in {template, f"{template} ;"}:
        return None
    found = slots_of(text, [BoundValue(0, one) for one in values])
    slots = tuple(_slot(one) for one in found)
    if len(slots) > MOST_SLOTS or any(MASK in one.value for one in slots):
        return None
    return Likeness(template, slots)


def _slot(slot: Slot) -> LikeSlot:
    return LikeSlot(_type(slot), slot.value, slot.sensitive)


def _type(slot: Slot) -> str:
    """As `template` writes it."""
    if slot.bound:
        return "bound"
    if slot.type == "number":
        return "int" if slot.value.isdigit() else "numeric"
    return "bits" if slot.value[:1] in "BbXx" else "text"
