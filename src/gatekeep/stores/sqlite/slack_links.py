"""Which Slack account votes as which principal, and where requests were shown, in `state.db`.

Implements notify.slack_ports.LinkStore and ShownStore. Who may link is not decided here. Works on a
connection of its own, so that the event loop never waits for its fsync.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gatekeep.domain.chat import ChatLink, ShownRequest
from gatekeep.gate.approval_ports import Told
from gatekeep.stores.sqlite.state import StateStore

SUBJECT: Final = "chat:"
"""What the subject of an event about a link begins with; the principal follows."""
_KEPT_US: Final = 30 * 86_400 * 1_000_000
_LINK: Final = "principal, team, account, workspace, display_name, linked_us, settled"


class SlackBooks:
    """The links and messages of one gateway, over a state store that nobody else uses."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._db = state.connection

    def close(self) -> None:
        """Close the connection."""
        self._state.close()

    # links

    def add_link(self, link: ChatLink, told: Told) -> bool:
        """Keep a link in place of the principal's own older one, not settled whatever it says.

        False when the account is another principal's, and nothing changed. Raises
        JournalUnavailable when it cannot be kept.
        """
        with self._state.transaction():
            if self._one("team = ? AND account = ? AND principal <> ?", link.team, link.account, link.principal):
                return False
            self._db.execute("DELETE FROM chat_links WHERE principal = ?", (link.principal,))
            self._db.execute(
                "INSERT INTO chat_links VALUES (?, ?, ?, ?, ?, ?, 0)",
                (
                    link.principal, link.team, link.account, link.workspace, link.display_name,
                    link.linked_us,
                ),
            )  # fmt: skip
            self._state.owe(told.kind, SUBJECT + link.principal, told.payload)
            return True

    def remove_link(self, principal: str, told: Told) -> bool:
        """Forget a principal's link, at once; false when there is none."""
        with self._state.transaction():
            self._db.execute("DELETE FROM chat_links WHERE principal = ?", (principal,))
            if self._db.changes() != 1:
                return False
            self._state.owe(told.kind, SUBJECT + principal, told.payload)
            return True

    def link_of(self, principal: str) -> ChatLink | None:
        """The link of a principal, settled or not."""
        return self._one("principal = ?", principal)

    def link_of_account(self, team: str, account: str) -> ChatLink | None:
        """The link of an account, settled or not."""
        return self._one("team = ? AND account = ?", team, account)

    # messages

    def add_shown(self, shown: ShownRequest) -> None:
        """Remember a message that shows a request; closed ones of 30 days ago are forgotten."""
        with self._state.transaction():
            self._db.execute(
                "DELETE FROM chat_places WHERE closed AND shown_us < ?", (shown.shown_us - _KEPT_US,)
            )
            self._db.execute(
                "INSERT INTO chat_places VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (shown.channel, shown.message, shown.request, shown.shown_us, shown.closed),
            )

    def shown(self, request_id: str) -> Sequence[ShownRequest]:
        """The messages that show a request, oldest first."""
        rows = self._db.execute(
            "SELECT request, channel, message, shown_us, closed FROM chat_places"
            " WHERE request = ? ORDER BY shown_us, channel",
            (request_id,),
        )
        return [_shown(row) for row in rows]

    def unfinished(self) -> Sequence[str]:
        """The requests that some message still shows as open."""
        rows = self._db.execute(
            "SELECT DISTINCT request FROM chat_places WHERE closed = 0 ORDER BY request"
        )
        return [str(row[0]) for row in rows]

    def close_shown(self, channel: str, message: str) -> None:
        """Note that this message says how it ended, or is gone."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE chat_places SET closed = 1 WHERE channel = ? AND message = ?",
                (channel, message),
            )

    def _one(self, where: str, *values: str) -> ChatLink | None:
        rows: list[Any] = self._db.execute(
            f"SELECT {_LINK} FROM chat_links WHERE {where}",  # noqa: S608 - our own words
            values,
        ).fetchall()
        return _link(rows[0]) if rows else None


def _link(row: Sequence[Any]) -> ChatLink:
    principal, team, account, workspace, display_name, linked_us, settled = row
    return ChatLink(
        principal, team, account, workspace, display_name, linked_us, settled=bool(settled)
    )


def _shown(row: Sequence[Any]) -> ShownRequest:
    request, channel, message, shown_us, closed = row
    return ShownRequest(request, channel, message, shown_us, closed=bool(closed))
