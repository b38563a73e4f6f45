"""Suggestions and samples in `state.db`. Each change is one transaction that also writes its events.

What may be changed is `feedback.life`'s affair. Works on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from gatekeep.domain.suggestions import Sample, SuggestionLife
from gatekeep.gate.approval_ports import Told
from gatekeep.gate.ports import OutboxRow
from gatekeep.stores.sqlite.approval_rows import dumped
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.stores.sqlite.suggestion_rows import life_body, life_of, sample_of

KINDS = "suggestion."


class SuggestionBooks:
    """The suggestions of one gateway, over a state store that nobody else uses."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._db = state.connection

    def close(self) -> None:
        """Close the connection."""
        self._state.close()

    # changes

    def put(
        self, before: SuggestionLife | None, after: SuggestionLife, told: Sequence[Told] = ()
    ) -> bool:
        """Compare-and-set from `before` (None: there is none), with the events it owes.

        False when it is not as `before` says any more, or another suggestion has its rule in force;
        then nothing changed. Without an event nothing has to be settled.
        """
        row = (
            after.state.value, after.since_us, len(after.accepted_by) + len(after.returned_by),
            after.suggestion.rule_id, _rules(after), not told, life_body(after),
        )  # fmt: skip
        with self._state.transaction():
            try:
                self._write(before, after.suggestion.id, row)
            except apsw.ConstraintError:
                return False
            if self._db.changes() != 1:
                return False
            for one in told:
                self._state.owe(one.kind, after.suggestion.id, one.payload)
            return True

    def _write(
        self, before: SuggestionLife | None, suggestion_id: str, row: tuple[Any, ...]
    ) -> None:
        if before is None:
            self._db.execute(
                "INSERT INTO suggestions (state, since_us, voices, rule_id, in_force, settled,"
                " body, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, suggestion_id),
            )
            return
        self._db.execute(
            "UPDATE suggestions SET state = ?, since_us = ?, voices = ?, rule_id = ?, in_force = ?,"
            " settled = ?, body = ? WHERE id = ? AND state = ? AND since_us = ? AND voices = ?",
            (
                *row, suggestion_id, before.state.value, before.since_us,
                len(before.accepted_by) + len(before.returned_by),
            ),
        )  # fmt: skip

    def add_sample(self, sample: Sample, told: Told) -> bool:
        """Keep something to be looked at; false when it is kept already."""
        with self._state.transaction():
            self._db.execute(
                "INSERT INTO suggestion_samples (id, suggestion, answered, body)"
                " VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING",
                (sample.id, sample.suggestion, dumped(sample)),
            )
            return self._owed(told, sample.id)

    def answer_sample(self, sample: Sample, told: Told) -> bool:
        """Keep what was said of it; false when somebody was first."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE suggestion_samples SET answered = 1, body = ? WHERE id = ? AND answered = 0",
                (dumped(sample), sample.id),
            )
            return self._owed(told, sample.id)

    def settle(self, row_id: int) -> None:
        """Its event is durable: release the effect and clear the row."""
        self._state.settle(row_id)

    # reading

    def lives(self) -> Sequence[SuggestionLife]:
        """All of them, oldest first."""
        rows: list[Any] = self._db.execute(
            "SELECT body, settled FROM suggestions ORDER BY seq"
        ).fetchall()
        return [life_of(body, settled=bool(settled)) for body, settled in rows]

    def samples(self) -> Sequence[Sample]:
        """All of them, oldest first."""
        rows: list[Any] = self._db.execute(
            "SELECT body FROM suggestion_samples ORDER BY seq"
        ).fetchall()
        return [sample_of(body) for (body,) in rows]

    def pending(self) -> Sequence[OutboxRow]:
        """What the journal has not been told of suggestions yet, oldest first."""
        return [row for row in self._state.pending() if row.kind.startswith(KINDS)]

    def _owed(self, told: Told, subject: str) -> bool:
        if self._db.changes() != 1:
            return False
        self._state.owe(told.kind, subject, told.payload)
        return True


def _rules(life: SuggestionLife) -> bool:
    suggestion = life.suggestion
    return life.state.rules and suggestion.kind.writes_rule and bool(suggestion.rule_id)

