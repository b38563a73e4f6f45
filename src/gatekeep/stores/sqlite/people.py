"""Delegations and memberships in `state.db`. Implements the stores of identity's books.

Each change is one transaction that also writes the events it owes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gatekeep.domain.delegations import Delegation
from gatekeep.domain.events import EventKind
from gatekeep.domain.memberships import Membership
from gatekeep.stores.sqlite.approval_rows import dumped
from gatekeep.stores.sqlite.state import StateStore

_SEEN = "memberships_seen"


class PeopleBooks:
    """Over the gateway's own state store."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._db = state.connection

    def delegations(self) -> Sequence[Delegation]:
        """All of them, newest first."""
        rows: list[Any] = self._db.execute(
            "SELECT body, ended_us, ended_by, settled FROM delegations ORDER BY seq DESC"
        ).fetchall()
        return [
            Delegation(
                **{
                    **(kept := orjson.loads(body)),
                    "groups": frozenset(kept["groups"]),
                    "ended_us": ended_us,
                    "ended_by": ended_by,
                    "settled": bool(settled),
                }
            )
            for body, ended_us, ended_by, settled in rows
        ]

    def add_delegation(self, delegation: Delegation, event: bytes) -> None:
        """Keep one; it counts once its event is durable."""
        with self._state.transaction():
            self._db.execute(
                "INSERT INTO delegations (id, ended_us, ended_by, settled, body)"
                " VALUES (?, 0, '', 0, ?)",
                (delegation.id, dumped(delegation)),
            )
            self._state.owe(EventKind.DIRECTORY_CHANGED, delegation.id, event)

    def end_delegation(self, delegation_id: str, at_us: int, by: str, event: bytes) -> bool:
        """End one at once; false when it had ended."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE delegations SET ended_us = ?, ended_by = ? WHERE id = ? AND ended_us = 0",
                (at_us, by, delegation_id),
            )
            if self._db.changes() != 1:
                return False
            self._state.owe(EventKind.DIRECTORY_CHANGED, delegation_id, event)
            return True

    def memberships(self) -> Sequence[Membership] | None:
        """All of them; None before the first load ever."""
        seen: list[Any] = self._db.execute(
            "SELECT 1 FROM settled_values WHERE name = ?", (_SEEN,)
        ).fetchall()
        if not seen:
            return None
        rows: list[Any] = self._db.execute(
            "SELECT person, in_group, since_us, added_by FROM memberships"
        ).fetchall()
        return [Membership(*row) for row in rows]

    def change_memberships(
        self, added: Sequence[Membership], removed: Sequence[Membership], events: Sequence[bytes]
    ) -> None:
        """Keep what changed, in one transaction with the events that it owes."""
        with self._state.transaction():
            self._db.execute(
                "INSERT INTO settled_values VALUES (?, ?) ON CONFLICT DO NOTHING", (_SEEN, b"1")
            )
            self._db.executemany("INSERT INTO memberships VALUES (?, ?, ?, ?)", added)
            self._db.executemany(
                "DELETE FROM memberships WHERE person = ? AND in_group = ?",
                [(one.person, one.group) for one in removed],
            )
            for event in events:
                self._state.owe(EventKind.DIRECTORY_CHANGED, "", event)
