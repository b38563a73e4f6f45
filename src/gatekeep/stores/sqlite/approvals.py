"""Approval requests, votes and grants in `state.db`. Implements gate.approval_ports.ApprovalStore.

Each change is one transaction that also writes the events it owes; what may be changed is the
desk's affair. Works on a connection of its own, so that the event loop never waits for its fsync.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Vote
from gatekeep.domain.grants import Grant
from gatekeep.domain.reviews import Review
from gatekeep.gate.approval_ports import APPROVAL_KINDS, Ending, Told
from gatekeep.gate.ports import OutboxRow
from gatekeep.stores.sqlite.approval_rows import dumped, grant_of, request_body, request_of
from gatekeep.stores.sqlite.state import StateStore

_COLUMNS: Final = (
    "state", "scope", "escalated", "decided_us", "decided_by", "decision_reason", "outcome",
    "settled", "sight",
)  # fmt: skip
_GRANT_COLUMNS: Final = ("used", "revoked_us", "revoked_by", "settled")


class ApprovalBooks:
    """The requests and grants of one gateway, over a state store that nobody else uses."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._db = state.connection

    def close(self) -> None:
        """Close the connection."""
        self._state.close()

    # changes

    def add_request(self, request: ApprovalRequest, told: Told) -> bool:
        """Keep a new request; false when its id was used before."""
        with self._state.transaction():
            self._db.execute(
                "INSERT INTO approval_requests (id, state, principal, target, session, template,"
                " text, decided_us, decided_by, decision_reason, scope, outcome, settled,"
                " escalated, sight, body) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', '', ?, '', 0, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (
                    request.id, request.state.value, request.place.principal,
                    request.place.target, request.place.session, request.subject.template,
                    request.subject.text, request.scope.value, dumped(request.escalated),
                    dumped(request.sight), request_body(request),
                ),
            )  # fmt: skip
            return self._owed(told, request.id)

    def add_vote(self, request_id: str, vote: Vote, told: Told) -> bool:
        """Keep a vote; false when the request is not pending, or this person has voted."""
        with self._state.transaction():
            self._add_vote(request_id, vote)
            return self._owed(told, request_id)

    def escalate(self, request_id: str, groups: Sequence[str], told: Told) -> bool:
        """Ask these groups as well; false when the request is not pending."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE approval_requests SET escalated = ? WHERE id = ? AND state = 'pending'",
                (dumped(list(groups)), request_id),
            )
            return self._owed(told, request_id)

    def end_request(
        self,
        request_id: str,
        ending: Ending,
        told: Sequence[Told],
        vote: Vote | None = None,
        grant: Grant | None = None,
    ) -> bool:
        """Compare-and-set from `pending`, with the vote that decides and the grant that it makes.

        False when somebody was first, or this person has voted; then nothing changed.
        """
        with self._state.transaction():
            if vote is not None:
                self._add_vote(request_id, vote)
                if self._db.changes() != 1:
                    return False
            self._db.execute(
                "UPDATE approval_requests SET state = ?, decided_us = ?, decided_by = ?,"
                " decision_reason = ?, scope = ? WHERE id = ? AND state = 'pending'",
                (
                    ending.state.value, ending.at_us, ending.by, ending.reason,
                    ending.scope.value, request_id,
                ),
            )  # fmt: skip
            if self._db.changes() != 1:
                return False
            for one in told:
                subject = grant.id if grant and one.kind.startswith("grant.") else request_id
                self._state.owe(one.kind, subject, one.payload)
            if grant is not None:
                self._insert(grant)
            return True

    def add_grant(self, grant: Grant, review: Review, told: Sequence[Told]) -> None:
        """Keep leave that somebody took, with its review."""
        with self._state.transaction():
            self._insert(grant)
            self._db.execute(
                "INSERT INTO reviews (id, closed_us, closed_by, finding, body)"
                " VALUES (?, 0, '', '', ?)",
                (review.id, dumped(review)),
            )
            for one in told:
                self._state.owe(one.kind, grant.id, one.payload)

    def close_review(self, review_id: str, at_us: int, by: str, finding: str, told: Told) -> bool:
        """Somebody has looked at it; false when it was closed before."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE reviews SET closed_us = ?, closed_by = ?, finding = ?"
                " WHERE id = ? AND closed_us = 0",
                (at_us, by, finding, review_id),
            )
            return self._owed(told, review_id)

    def note_outcome(self, request_id: str, outcome: str) -> None:
        """What became of an approved request."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE approval_requests SET outcome = ? WHERE id = ?", (outcome, request_id)
            )

    def note_sight(self, request_id: str, sight: Mapping[str, object]) -> None:
        """What was found out for the approver."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE approval_requests SET sight = ? WHERE id = ?", (dumped(sight), request_id)
            )

    def spend(self, grant_id: str, told: Told, *, once: bool = False) -> bool:
        """Count one use; false when the grant is revoked, or was used and is good for `once`."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE grants SET used = used + 1 WHERE id = ? AND revoked_us = 0"
                " AND (used = 0 OR NOT ?)",
                (grant_id, once),
            )
            return self._owed(told, grant_id)

    def revoke_grant(self, grant_id: str, at_us: int, by: str, told: Told) -> bool:
        """Revoke at once; false when it was revoked before."""
        with self._state.transaction():
            self._db.execute(
                "UPDATE grants SET revoked_us = ?, revoked_by = ? WHERE id = ? AND revoked_us = 0",
                (at_us, by, grant_id),
            )
            return self._owed(told, grant_id)

    # reading

    def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whole."""
        found = self._requests("WHERE id = ?", (request_id,), 1)
        return found[0] if found else None

    def requests(  # noqa: PLR0913 - one for each filter
        self,
        *,
        state: RequestState | None = None,
        principal: str = "",
        template: str = "",
        target: str = "",
        text: str = "",
        limit: int = 100,
        before: str = "",
    ) -> Sequence[ApprovalRequest]:
        """Requests that fit, newest first; with `before`, a request's id, those older than it."""
        wanted = {
            "state": state.value if state else "", "principal": principal, "template": template,
            "target": target,
        }  # fmt: skip
        kept = {name: value for name, value in wanted.items() if value}
        parts = [f"{name} = ?" for name in kept]
        values: list[Any] = list(kept.values())
        if text:
            parts.append("instr(lower(text), lower(?)) > 0")
            values.append(text)
        if before:
            parts.append("seq < (SELECT seq FROM approval_requests WHERE id = ?)")
            values.append(before)
        where = f"WHERE {' AND '.join(parts)}" if parts else ""
        return self._requests(where, tuple(values), limit)

    def last_decided(self, person: str, target: str, template: str) -> ApprovalRequest | None:
        """Of this person's requests for the same the one that was approved or denied last."""
        found = self._requests(
            "WHERE template = ? AND target = ? AND state IN ('approved', 'denied')"
            " AND json_extract(CAST(body AS TEXT), '$.place.person') = ?",
            (template, target, person),
            1,
            order="decided_us DESC, seq",
        )
        return found[0] if found else None

    def grants(self, *, principal: str = "", live_at_us: int | None = None) -> Sequence[Grant]:
        """Grants, newest first; with a time only those that are live then."""
        parts, values = [], []
        if principal:
            parts.append("principal = ?")
            values.append(principal)
        if live_at_us is not None:
            parts.append("settled AND revoked_us = 0 AND starts_us <= ? AND ? < ends_us")
            values += [live_at_us, live_at_us]  # type: ignore[list-item]  # numbers beside names
        where = f"WHERE {' AND '.join(parts)}" if parts else ""
        return self._grants(where, tuple(values))

    def grant(self, grant_id: str) -> Grant | None:
        """One grant."""
        found = self._grants("WHERE id = ?", (grant_id,))
        return found[0] if found else None

    def reviews(self, *, still_open: bool) -> Sequence[Review]:
        """What has to be looked at, or all of it, newest first."""
        rows: list[Any] = self._db.execute(
            "SELECT body, closed_us, closed_by, finding FROM reviews"
            " WHERE closed_us = 0 OR NOT ? ORDER BY seq DESC",
            (still_open,),
        ).fetchall()
        return [
            Review(**{**orjson.loads(body), "closed_us": at, "closed_by": by, "finding": said})
            for body, at, by, said in rows
        ]

    def pending(self) -> Sequence[OutboxRow]:
        """What the journal has not been told of approvals and grants yet, oldest first."""
        return [row for row in self._state.pending() if row.kind.startswith(APPROVAL_KINDS)]

    def settle(self, row_id: int) -> None:
        """Its event is durable: release the effect and clear the row."""
        self._state.settle(row_id)

    # inside

    def _add_vote(self, request_id: str, vote: Vote) -> None:
        self._db.execute(
            "INSERT INTO approval_votes (request, person, body) SELECT id, ?, ?"
            " FROM approval_requests WHERE id = ? AND state = 'pending'"
            " ON CONFLICT DO NOTHING",
            (vote.person, dumped(vote), request_id),
        )

    def _owed(self, told: Told, subject: str) -> bool:
        """The event of the change that was just made; false when it changed nothing."""
        if self._db.changes() != 1:
            return False
        self._state.owe(told.kind, subject, told.payload)
        return True

    def _insert(self, grant: Grant) -> None:
        self._db.execute(
            "INSERT INTO grants (id, principal, starts_us, ends_us, used, revoked_us, revoked_by,"
            " settled, body) VALUES (?, ?, ?, ?, 0, 0, '', 0, ?)",
            (grant.id, grant.principal, grant.starts_us, grant.ends_us, dumped(grant)),
        )

    def _requests(
        self, where: str, values: tuple[Any, ...], limit: int, order: str = "seq"
    ) -> list[ApprovalRequest]:
        rows: list[Any] = self._db.execute(
            f"SELECT id, body, {', '.join(_COLUMNS)} FROM approval_requests"  # noqa: S608 - our own words
            f" {where} ORDER BY {order} DESC LIMIT ?",
            (*values, limit),
        ).fetchall()
        return [
            request_of(body, dict(zip(_COLUMNS, columns, strict=True)), self._voted(request_id))
            for request_id, body, *columns in rows
        ]

    def _voted(self, request_id: str) -> list[bytes]:
        rows = self._db.execute(
            "SELECT body FROM approval_votes WHERE request = ? ORDER BY seq", (request_id,)
        )
        return [bytes(row[0]) for row in rows]

    def _grants(self, where: str, values: tuple[Any, ...]) -> list[Grant]:
        rows = self._db.execute(
            f"SELECT body, {', '.join(_GRANT_COLUMNS)} FROM grants {where} ORDER BY seq DESC",  # noqa: S608 - our own words
            values,
        )
        return [
            grant_of(body, dict(zip(_GRANT_COLUMNS, columns, strict=True)))
            for body, *columns in rows
        ]
