"""Where persons read mail, and in which zone they read times: from the principals' file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gatekeep.domain.identity import Mailbox
from gatekeep.identity.principals import PrincipalEntry


class MailBook:
    """The mailboxes of everybody. A person with several principals may have several."""

    def __init__(self, entries: Iterable[PrincipalEntry]) -> None:
        self._boxes: dict[str, Mailbox] = {}
        self.reload(entries)

    def reload(self, entries: Iterable[PrincipalEntry]) -> None:
        """Replace all of them. Machines read no mail; an address is one person's."""
        boxes: dict[str, Mailbox] = {}
        for entry in entries:
            if entry.mail and not entry.principal.owner:
                box = Mailbox(entry.principal.person, entry.mail, entry.zone or "UTC")
                boxes.setdefault(entry.mail.lower(), box)
        self._boxes = dict(sorted(boxes.items()))

    def of(self, persons: Collection[str]) -> Sequence[Mailbox]:
        """Those of these persons, by address."""
        return [box for box in self._boxes.values() if box.person in persons]

    def all(self) -> Sequence[Mailbox]:
        """Everybody's, by address."""
        return list(self._boxes.values())
