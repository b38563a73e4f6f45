"""Whom a Bearer token speaks for: found by the token alone, with lock-outs per address prefix.

Knows no HTTP. What a token is, and when it works, is `tokens`.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.gate.ports import Directory, LockOuts
from gatekeep.identity.lockouts import address_prefix

MAX_TOKEN: Final = 256
_KNOWN: Final = 4096
_NOBODY: Final = ""
"""What failures count under: a wrong token names nobody."""

Holder = Callable[[str], tuple[str, str] | None]
"""The principal's name and the id of a token that works; None for any other text."""

Note = Callable[[EventKind, str, str, str], None]
"""Something failed: kind, source, cause (a word of ours), principal. Folded by who listens."""


class BearerRefusal(enum.StrEnum):
    """Why a token lets nobody in. UNKNOWN: it is none, works no more, or its principal is gone."""

    UNKNOWN = "unknown"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who is signed in, and by which token."""

    principal: Principal
    token_id: str


class Bearers:
    """Checks Bearer tokens. Not for several threads.

    Wrong ones lock their address prefix for everybody whose token has not worked from there
    before: a neighbour who guesses can lock out strangers only.
    """

    def __init__(
        self, directory: Directory, holder: Holder, lock_outs: LockOuts, note: Note
    ) -> None:
        self._directory = directory
        self._holder = holder
        self._lock_outs = lock_outs
        self._note = note
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def bearer(self, token: str, source: str) -> Bearer | BearerRefusal:
        """Whom this token, sent from this address, speaks for now."""
        found = self._holder(token) if len(token) <= MAX_TOKEN else None
        principal = self._directory.principal(found[0]) if found is not None else None
        locked = self._lock_outs.locked(_NOBODY, source)
        if found is None or principal is None:
            return self._refused(source, locked=locked)
        place = (address_prefix(source), found[1])
        if locked and place not in self._known:
            return BearerRefusal.LOCKED
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return Bearer(principal, found[1])

    def works(self, token: str, bearer: Bearer) -> bool:
        """Whether the token speaks for the very same principal still."""
        found = self._holder(token)
        return (
            found == (bearer.principal.name, bearer.token_id)
            and self._directory.principal(bearer.principal.name) == bearer.principal
        )

    def _refused(self, source: str, *, locked: bool) -> BearerRefusal:
        if locked:
            self._note(EventKind.AUTH_FAILED, source, "locked", _NOBODY)
            return BearerRefusal.LOCKED
        if self._lock_outs.failed(_NOBODY, source):
            self._note(EventKind.AUTH_LOCKED, source, "too many failures", _NOBODY)
        self._note(EventKind.AUTH_FAILED, source, "wrong token", _NOBODY)
        return BearerRefusal.UNKNOWN
