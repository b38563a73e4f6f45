"""The likeness of actions that happened, from what the journal says of them; each found out once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatekeep.domain.likeness import Likeness
from gatekeep.feedback import pieces

_KEPT: Final = 20_000
_LONGEST: Final = 16_384
_LIKE: Final = frozenset({"read", "write"})


class Likenesses:
    """Answers from a payload, and remembers. Not for several threads at once."""

    def __init__(self) -> None:
        self._known: dict[object, Likeness | None] = {}

    def of(self, payload: Mapping[str, Any]) -> Likeness | None:
        """The likeness of the action that this is the payload of; None if it has none."""
        shown = pieces.text(payload, "text")
        if not shown or len(shown) > _LONGEST:
            return None
        template, parameters = pieces.text(payload, "template"), payload.get("parameters")
        key = (template, shown, repr(parameters) if parameters else "", pieces.text(payload, "class"))
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = _find(payload, shown, template)
        return self._known[key]


def _find(payload: Mapping[str, Any], shown: str, template: str) -> Likeness | None:
    if "assurance" in payload:
        return Likeness(shown) if len(pieces.inners(payload, "commands")) == 1 else None
    if payload.get("statements") != 1 or payload.get("class") not in _LIKE:
        return None
    return Likeness(template) if template and not template.startswith("exact:") else None
