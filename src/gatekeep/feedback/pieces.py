"""Members of payloads, taken out carefully: what is missing or of another type is empty.

What was written long ago, or by a build with a fault, must not stop who reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_NOTHING: Final[Mapping[str, Any]] = {}


def text(of: Mapping[str, Any], name: str) -> str:
    """A string, or an empty one."""
    value = of.get(name)
    return value if isinstance(value, str) else ""


def texts(of: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The strings of a list."""
    value = of.get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def number(of: Mapping[str, Any], name: str) -> int:
    """A whole number, or 0."""
    value = of.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def inner(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object, or an empty one."""
    value = of.get(name)
    return value if isinstance(value, dict) else _NOTHING


def inners(of: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The objects of a list."""
    value = of.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()
