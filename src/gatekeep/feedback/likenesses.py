"""The likeness of actions that happened, from what the journal says of them; each found out once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatekeep.domain.commands import CommandFacts, TunnelFacts
from gatekeep.domain.likeness import Likeness
from gatekeep.feedback import pieces
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.ssh.commands.likeness import command_likeness

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
    try:
        if "assurance" in payload:
            if "commands_left_out" in payload or payload.get("resolved") is not True:
                return None
            return command_likeness(shown, [_facts(one) for one in pieces.inners(payload, "commands")])
        if payload.get("statements") != 1 or payload.get("class") not in _LIKE:
            return None
        bound = payload.get("parameters")
        return sql_likeness(template, shown, bound if isinstance(bound, list) else ())
    except Exception:  # noqa: BLE001 - whatever a text does to its readers, it is like no other
        return None


def _facts(command: Mapping[str, Any]) -> CommandFacts | TunnelFacts:
    if "destination" in command:
        return TunnelFacts(pieces.text(command, "action"), "", 0)
    return CommandFacts(
        pieces.text(command, "action"),
        pieces.text(command, "program"),
        tags=frozenset(pieces.texts(command, "tags")),
        complete=command.get("complete") is True,
    )
