"""Since when each rule is in force in its present words, as the journal tells it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from gatekeep.feedback import pieces
from gatekeep.policy.scanner import CutError, cut

_DIGITS: Final = 12


def digest_of(text: str) -> str:
    """The first 12 digits of the SHA-256 of a rule's text, as in `asked_by`."""
    return sha256(text.encode()).hexdigest()[:_DIGITS]


class RuleAges:
    """Follows versions of the policy as they come into force."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[str, int]] = {}

    def activated(self, payload: Mapping[str, Any], at_us: int) -> None:
        """`policy.activated`: a rule whose words are the same keeps its age, any other begins anew."""
        now: dict[str, tuple[str, int]] = {}
        for content in pieces.inner(payload, "texts").values():
            for name, digest in _rules_of(content):
                before = self._since.get(name)
                same = before is not None and before[0] == digest
                now[name] = before if before is not None and same else (digest, at_us)
        if now or "texts" in payload:
            self._since = now

    @property
    def since_us(self) -> dict[str, int]:
        """The rules in force, and since when, in microseconds UTC."""
        return {name: since for name, (_, since) in self._since.items()}


def _rules_of(content: object) -> list[tuple[str, str]]:
    if not isinstance(content, str):
        return []
    try:
        return [(piece.guessed_id, digest_of(piece.text)) for piece in cut(content)]
    except CutError:
        return []  # such a text never came into force by our doing
