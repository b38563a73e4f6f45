"""Other values that could stand in the place of one: what a grant would allow if it were free.

Invented, not looked up: they show how far such a grant would reach, its far ends among them.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from gatekeep.domain.grants import Slot

COUNT: Final = 3
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}")
_BROKEN: Final = re.compile(r"[+-]?(?:\d{0,18}\.\d{0,18}|\d{1,18}(?:\.\d{0,18})?[eE][+-]?\d{1,3})")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_TRUTH: Final = {"true": "false", "false": "true", "t": "f", "f": "t"}
_QUOTED: Final = re.compile(r"[A-Za-z&]{0,2}'(.*)'", re.DOTALL)


def neighbours(slot: Slot) -> tuple[str, ...]:
    """Three other values that the template takes there, written as they could stand in it."""
    if slot.type == "string" and slot.value[:1] in "BbXx" and len(slot.value) > 1:
        return ("B'0'", "B'1'", "X'FF'")
    bare = bare_value(slot)
    others = [one for one in dict.fromkeys(_candidates(slot, bare)) if one != bare][:COUNT]
    return tuple(f"'{one}'" if slot.type == "string" else one for one in others)


def bare_value(slot: Slot) -> str:
    """The value itself, without quotes, or without the sign that tells a bound one from NULL."""
    if slot.bound:
        return slot.value.removeprefix("=")
    found = _QUOTED.fullmatch(slot.value) if slot.type == "string" else None
    return found[1] if found else slot.value


def _candidates(slot: Slot, bare: str) -> list[str]:
    """Enough of them that three are left, whatever the value itself is."""
    if _WHOLE.fullmatch(bare):
        number = int(bare)
        below = [] if slot.type == "number" else ["-1"]  # in a text, a sign is an operator
        return ["0", str(number + 1), str(max(abs(number), 1) * 1000), *below, "7"]
    if slot.type == "number" or _BROKEN.fullmatch(bare):
        return ["0.0", "1.5", "1000000.0", "1e300"]
    if _DATE.fullmatch(bare):
        return ["1970-01-01", _next_day(bare), "9999-12-31", "2000-01-01"]
    if bare.lower() in _TRUTH:
        return [_TRUTH[bare.lower()], "", "any other text"]
    if "%" in bare:
        return ["%", "", f"%{bare.strip('%')}%", "any%"]
    return ["", f"{bare}x", "any other text", "%"]


def _next_day(text: str) -> str:
    try:
        return (dt.date.fromisoformat(text) + dt.timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return "2038-01-19"
