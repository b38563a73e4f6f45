"""`state.db`: tokens, policy versions, wrapped keys, and the outbox. Truth, never derived.

Opened by the gateway and the archivist at once: every method is one short transaction. Nothing
here is a secret in clear: tokens are verifiers, keys are wrapped, and pages are encrypted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import apsw
import orjson

from gatekeep.domain.events import EventKind
from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.gate.policy_ports import PolicyRecord
from gatekeep.gate.ports import OutboxRow, StoredToken, TokenRow
from gatekeep.stores.sqlite.database import open_database, open_to_read
from gatekeep.stores.sqlite.state_schema import MIGRATIONS

_KEY_ID_BYTES: Final = 16
_KEY_BYTES: Final = 32


_EFFECTS: Final[Mapping[str, tuple[str, ...]]] = {
    EventKind.TOKEN_MADE: ("UPDATE tokens SET active = 1 WHERE id = ?",),
    EventKind.APPROVAL_DECIDED: ("UPDATE approval_requests SET settled = 1 WHERE id = ?",),
    EventKind.GRANT_MADE: ("UPDATE grants SET settled = 1 WHERE id = ?",),
    EventKind.DIRECTORY_CHANGED: (
        "UPDATE delegations SET settled = 1 WHERE id = ?",
        "UPDATE chat_links SET settled = 1 WHERE 'chat:' || principal = ?",
    ),
    **{
        kind: ("UPDATE suggestions SET settled = 1 WHERE id = ?",)
        for kind in EventKind
        if kind.startswith("suggestion.")
    },
}
"""What comes into effect once an event of this kind is durable."""


class WallClock(Protocol):
    """The part of `runtime.clock.Clock` that a store needs."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""


class StateStore:
    """The state of one gateway. Implements gate.ports.TokenStore and journal.keys.WrappedKeys.

    Use each instance from one thread. Every change raises JournalUnavailable when the database
    cannot be written (full, locked for seconds, broken), and then nothing was changed.
    """

    def __init__(self, connection: apsw.Connection, clock: WallClock) -> None:
        self._connection = connection
        self._clock = clock

    @classmethod
    def open(cls, path: Path, key: bytes, clock: WallClock) -> StateStore:
        """Open or make the database. Raises as `open_database` does."""
        return cls(open_database(path, key, MIGRATIONS), clock)

    @classmethod
    def open_to_read(cls, path: Path, key: bytes, clock: WallClock) -> StateStore:
        """Open an existing database and never change it. Raises as the function of that name."""
        return cls(open_to_read(path, key, len(MIGRATIONS)), clock)

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        self._connection.close()

    # Tokens

    def salt_key(self) -> bytes:
        """32 random bytes, made once for this state."""
        return self._drawn_once("salt_key")

    def sampling_key(self) -> bytes:
        """32 random bytes, made once: which matches of adopted rules are samples turns on them."""
        return self._drawn_once("sampling_key")

    def _drawn_once(self, name: str) -> bytes:
        with self.transaction():
            self._connection.execute(
                "INSERT INTO settled_values VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, secrets.token_bytes(_KEY_BYTES)),
            )
            found = self._one("SELECT value FROM settled_values WHERE name = ?", name)
        return bytes(found[0])

    def tokens(self) -> Sequence[StoredToken]:
        """All tokens, newest first."""
        rows = self._connection.execute(
            "SELECT id, principal, created_us, expires_us, revoked_us, note, stored_key,"
            " server_key, active, finder FROM tokens ORDER BY created_us DESC, rowid DESC"
        )
        return [
            StoredToken(
                TokenRow(*row[:6]), bytes(row[6]), bytes(row[7]), bool(row[8]), bytes(row[9])
            )
            for row in rows
        ]

    def add_token(self, token: StoredToken, event: bytes) -> OutboxRow:
        """Keep a token, not active whatever it says, with the event that it owes."""
        row = token.row
        with self.transaction():
            self._connection.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
                (
                    row.id,
                    row.principal,
                    row.created_us,
                    row.expires_us,
                    row.revoked_us,
                    row.note,
                    token.stored_key,
                    token.server_key,
                    token.finder,
                ),
            )
            return self.owe(EventKind.TOKEN_MADE, row.id, event)

    def revoke_token(self, token_id: str, at_us: int, event: bytes) -> OutboxRow:
        """Mark as revoked, at once. Raises KeyError if there is none or it is revoked already."""
        with self.transaction():
            self._connection.execute(
                "UPDATE tokens SET revoked_us = ? WHERE id = ? AND revoked_us = 0",
                (at_us, token_id),
            )
            if self._connection.changes() != 1:
                raise KeyError(token_id)
            return self.owe(EventKind.TOKEN_REVOKED, token_id, event)

    # Policy versions

    def activate_policy(
        self, digest: str, texts: Mapping[str, str], facts: Mapping[str, Any]
    ) -> OutboxRow:
        """Keep a version and the wish to activate it; it is active once its event is settled.

        `texts` are its files by name, `facts` what its event says beside digest and texts.
        Raises EvidenceBroken if other texts are kept under the same digest.
        """
        return self._record_policy(EventKind.POLICY_ACTIVATED, digest, texts, facts)

    def hold_policy(
        self, digest: str, texts: Mapping[str, str], facts: Mapping[str, Any]
    ) -> OutboxRow:
        """Keep a version that was not let into force, with its event; arguments as above."""
        return self._record_policy(EventKind.POLICY_HELD, digest, texts, facts)

    def _record_policy(
        self, kind: EventKind, digest: str, texts: Mapping[str, str], facts: Mapping[str, Any]
    ) -> OutboxRow:
        kept = orjson.dumps(dict(texts), option=orjson.OPT_SORT_KEYS)
        with self.transaction():
            self._connection.execute(
                "INSERT INTO policy_versions VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, kept)
            )
            known = self._one("SELECT texts FROM policy_versions WHERE digest = ?", digest)
            if bytes(known[0]) != kept:
                raise EvidenceBroken(f"policy version {digest} is kept with other texts")
            event = {**facts, "policy": digest, "texts": dict(texts)}
            owed = self.owe(kind, digest, orjson.dumps(event, option=orjson.OPT_SORT_KEYS))
            self._connection.execute(
                "INSERT INTO policy_activations VALUES (?, ?, ?, 0, ?, ?)",
                (
                    owed.id,
                    digest,
                    owed.created_us,
                    orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS),
                    kind is EventKind.POLICY_HELD,
                ),
            )
            return owed

    def withdraw_policy(self, row_id: int) -> None:
        """Forget a wish whose event was never appended to the journal."""
        with self.transaction():
            self._connection.execute("DELETE FROM outbox WHERE id = ?", (row_id,))
            self._connection.execute(
                "DELETE FROM policy_activations WHERE outbox_id = ? AND NOT active", (row_id,)
            )

    def active_policy(self) -> PolicyRecord | None:
        """The version whose activation was settled last."""
        history = self._policies("WHERE active", 1)
        return history[0] if history else None

    def policy_history(self, limit: int = 100) -> Sequence[PolicyRecord]:
        """What was activated, and what was held back, newest first."""
        return self._policies("WHERE active OR held", limit)

    def policies_named(self, prefix: str) -> Sequence[PolicyRecord]:
        """Everything recorded of the versions whose digest begins with `prefix`, newest first."""
        return self._policies("WHERE (active OR held) AND substr(digest, 1, ?) = ?", -1, prefix)

    def _policies(self, which: str, limit: int, prefix: str | None = None) -> list[PolicyRecord]:
        values = () if prefix is None else (len(prefix), prefix)
        rows = self._connection.execute(
            "SELECT digest, texts, activated_us, facts, held FROM policy_activations"  # noqa: S608 - our own words
            f" JOIN policy_versions USING (digest) {which} ORDER BY outbox_id DESC LIMIT ?",
            (*values, limit),
        )
        return [
            PolicyRecord(
                digest, orjson.loads(texts), at_us, facts=orjson.loads(facts), held=bool(held)
            )
            for digest, texts, at_us, facts, held in rows
        ]

    # Wrapped keys

    def subject_key(self, person: str) -> bytes | None:
        """The wrapped key of a person, if there is one."""
        return self._blob("SELECT wrapped FROM subject_keys WHERE person = ?", person)

    def subject_key_by_id(self, key_id: bytes) -> bytes | None:
        """The wrapped key that begins with these 16 bytes; None once it was destroyed."""
        return self._blob("SELECT wrapped FROM subject_keys WHERE key_id = ?", key_id)

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        """Keep a person's wrapped key, or the same key wrapped anew.

        Raises EvidenceBroken for another key: everything sealed for the person would be lost.
        """
        key_id = wrapped[:_KEY_ID_BYTES]
        with self.transaction():
            self._connection.execute(
                "INSERT INTO subject_keys VALUES (?, ?, ?) ON CONFLICT (person)"
                " DO UPDATE SET wrapped = excluded.wrapped WHERE key_id = excluded.key_id",
                (person, key_id, wrapped),
            )
            if self._connection.changes() != 1:
                raise EvidenceBroken("a person's key would have been replaced by another")

    def session_key(self, session_id: str) -> bytes | None:
        """The wrapped key of a session, if it was put here."""
        return self._blob("SELECT wrapped FROM session_keys WHERE session_id = ?", session_id)

    def put_session_key(self, session_id: str, wrapped: bytes) -> None:
        """Keep a session's wrapped key."""
        self.put_session_keys([(session_id, wrapped)])

    def put_session_keys(self, keys: Iterable[tuple[str, bytes]]) -> None:
        """Keep the wrapped keys of many sessions in one transaction."""
        with self.transaction():
            self._connection.executemany(
                "INSERT INTO session_keys VALUES (?, ?) ON CONFLICT (session_id)"
                " DO UPDATE SET wrapped = excluded.wrapped",
                keys,
            )

    # Outbox

    def pending(self) -> Sequence[OutboxRow]:
        """Events that the journal has not been told yet, oldest first."""
        rows = self._connection.execute(
            "SELECT id, kind, subject, payload, created_us FROM outbox ORDER BY id"
        )
        return [
            OutboxRow(number, EventKind(kind), subject, bytes(payload), created_us)
            for number, kind, subject, payload, created_us in rows
        ]

    def settle(self, row_id: int) -> None:
        """Its event is durable: release the effect and clear the row. Twice changes nothing."""
        with self.transaction():
            found: list[Any] = self._connection.execute(
                "DELETE FROM outbox WHERE id = ? RETURNING kind, subject", (row_id,)
            ).fetchall()
            for kind, subject in found:
                self._release_effect(kind, subject, row_id)

    def _release_effect(self, kind: str, subject: str, row_id: int) -> None:
        """What was waiting for this event to be durable counts from now on."""
        if kind == EventKind.POLICY_ACTIVATED:
            self._connection.execute(
                "UPDATE policy_activations SET active = 1 WHERE outbox_id = ?", (row_id,)
            )
        for effect in _EFFECTS.get(kind, ()):
            self._connection.execute(effect, (subject,))

    @property
    def connection(self) -> apsw.Connection:
        """For the other books that are kept in the same database."""
        return self._connection

    def owe(self, kind: EventKind, subject: str, payload: bytes) -> OutboxRow:
        """Write an outbox row; only inside the transaction of the change that it tells of."""
        now = self._clock.wall_us()
        self._connection.execute(
            "INSERT INTO outbox (kind, subject, payload, created_us) VALUES (?, ?, ?, ?)",
            (kind.value, subject, payload, now),
        )
        return OutboxRow(self._connection.last_insert_rowid(), kind, subject, payload, now)

    def transaction(self) -> _Immediate:
        """A write transaction, for a `with` block."""
        return _Immediate(self._connection)

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        return tuple(self._connection.execute(query, values).fetchall()[0])

    def _blob(self, query: str, value: str | bytes) -> bytes | None:
        rows: list[Any] = self._connection.execute(query, (value,)).fetchall()
        return bytes(rows[0][0]) if rows else None


class _Immediate:
    """A write transaction that takes its lock at once, so that two processes wait, never clash.

    Raises JournalUnavailable when the database cannot be written; then nothing was changed.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            raise _unwritable(error) from error

    def __exit__(self, kind: object, value: BaseException | None, trace: object) -> None:
        if value is None:
            try:
                self._connection.execute("COMMIT")
            except apsw.Error as error:
                self._undo()
                raise _unwritable(error) from error
            return
        self._undo()
        if isinstance(value, apsw.Error):
            raise _unwritable(value) from value

    def _undo(self) -> None:
        # Some failures (disk full) roll back by themselves.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _unwritable(error: apsw.Error) -> JournalUnavailable:
    return JournalUnavailable("the state cannot be written", cause=type(error).__name__)
