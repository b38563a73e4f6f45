"""What a statement has in common with its like: its template, and the values that stand in it here.

From the text as events hold it, so that gate and journal come to the same. Nothing is judged here.
"""

from __future__ import annotations

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

_USERS_TYPES: Final = 16_384
"""The first oid of a type that is not PostgreSQL's own: reading a value of it may run code."""


def bound_values(parameters: Sequence[BoundValue]) -> list[BoundShown]:
    """Bound values for `sql_likeness`, as the payload of an event shows them."""
    return [
        {"length": one.length, "secret": one.secret}
        if one.secret or one.sha256 or one.oid >= _USERS_TYPES
        else one.text
        for one in parameters
    ]


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
