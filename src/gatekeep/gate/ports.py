"""The ports of the gate: what adapters must offer. Adapters are chosen in `app`.

Those of approvals, holds, samples, sights and policy versions have files of their own (`*_ports`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import Approval
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Decision
from gatekeep.domain.events import EventKind, Receipt
from gatekeep.domain.events import SearchQuery as SearchQuery  # noqa: PLC0414 - part of the port
from gatekeep.domain.events import StoredEvent as StoredEvent  # noqa: PLC0414 - part of the port
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target


class PendingReceipt(Protocol):
    """An event that is appended and not yet durable."""

    @property
    def n(self) -> int:
        """The event's index in the log."""

    async def durable(self) -> Receipt:
        """Wait for the fsync. Raises JournalUnavailable if it never comes."""


class EventStream(Protocol):
    """The chain of events of one session (or of the gateway itself)."""

    @property
    def session_id(self) -> str:
        """32 hex digits."""


class Journal(Protocol):
    """The log, as the gate uses it. All calls are made on the event loop's thread."""

    @property
    def accepting(self) -> bool:
        """Whether new sessions may begin (false: no next segment, or the journal is dead)."""

    @property
    def system(self) -> EventStream:
        """The gateway's own stream, for events outside any session."""

    def open_stream(self, *, session_id: str, subject: str, target: str) -> EventStream:
        """Begin a session's chain. `subject` is the person whose key seals it."""

    def append(
        self,
        stream: EventStream,
        kind: EventKind,
        payload: bytes,
        *,
        decision: bytes = b"",
        counters: bytes = b"",
    ) -> PendingReceipt:
        """Seal and append one event; it joins the next group commit.

        `payload` is a JSON object (UTF-8), sealed outside the tree. `decision` and `counters`
        are canonical JSON objects for the envelope's `g` and `r` and hold no personal data.
        Raises JournalUnavailable, and then nothing was appended.
        """

    def close_stream(self, stream: EventStream) -> None:
        """Forget a stream after its last event was appended."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision with its evidence, encoded once and reused by every event that cites it.

    `request_json` is the whole normalised policy request (canonical JSON); `decision_json` the
    decision as the payload holds it; `envelope_json` the envelope's `g`:
    `{"decision":…,"policy":…,"rule":…}`.
    """

    decision: Decision
    request_json: bytes
    decision_json: bytes
    envelope_json: bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """What adopted rules let pass unasked: their ids, and the approval that they stand in for."""

    rules: tuple[str, ...]
    approval: Approval


class PolicyDesk(Protocol):
    """Asks the active policy; caches what may be cached."""

    @property
    def version(self) -> str:
        """The active policy version."""

    def may_open(self, session: Session) -> Judgement:
        """Judge `session.open` for this principal, target and account."""

    def may_open_approved(self, session: Session, approval: Approval) -> Judgement:
        """Judge `session.open` now that there is this approval. Never raises."""

    def approvers_around(self, session: Session) -> tuple[tuple[str, ...], ...]:
        """Each group that could release something there for this principal, as a set of its own."""

    def groups_around(self, session: Session) -> frozenset[str]:
        """Every group, with its counts, that rules accept approval from there."""

    def may_replicate(self, session: Session) -> Judgement:
        """Judge `session.replicate`: whether this session may be one of replication."""

    def only_reads(self, session: Session) -> bool:
        """Whether policy lets this session do nothing but `sql.read` (then: read-only session)."""

    def judge(self, session: Session, action: SqlAction) -> Judgement:
        """Judge one execution; the strictest of its statements decides. Never raises."""

    def judge_command(self, session: Session, action: SshAction) -> Judgement:
        """Judge one action over SSH; the strictest of its facts decides. Never raises."""

    def judge_approved(
        self, session: Session, action: SqlAction | SshAction, approval: Approval
    ) -> Judgement:
        """Judge one action now that there is this approval; never kept. Never raises."""

    def leave_for(
        self, session: Session, action: SqlAction | SshAction, likeness: Likeness | None
    ) -> Leave | None:
        """Whether adopted rules answer what would be asked about it now. Never kept, never raises."""

    def lines_are_free(self, session: Session) -> bool:
        """Whether every line of a shell would be allowed, whatever it says. In doubt false."""

    def judge_gateway(self, principal: Principal, verb: str) -> Judgement:
        """Judge an action on gatekeep itself, such as `audit.read` or `token.make`."""


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """What SCRAM needs to check one token (RFC 5802): StoredKey and ServerKey, 32 bytes each."""

    token_id: str
    stored_key: bytes
    server_key: bytes


@dataclass(frozen=True, slots=True)
class ScramSecrets:
    """All live tokens of a principal share salt and iterations; unknown names get mock ones."""

    salt: bytes
    iterations: int
    verifiers: tuple[ScramVerifier, ...]


class Directory(Protocol):
    """Principals and their tokens."""

    def principal(self, name: str) -> Principal | None:
        """The principal of that name, if there is one."""

    def principals(self) -> Sequence[Principal]:
        """All of them, by name."""

    def principal_of_uid(self, uid: int) -> Principal | None:
        """Whom the Unix socket's peer is (see the architecture page)."""

    def scram_secrets(self, name: str) -> ScramSecrets:
        """What to check a SCRAM proof against; at most 8 verifiers, never raises."""


class SshProofs(Protocol):
    """What proves a principal over SSH beside tokens and certificates."""

    def known_key(self, name: str, key: bytes) -> bool:
        """Whether this key, in its wire form, is one of this principal's."""

    def needs_code(self, name: str) -> bool:
        """Whether this principal has a second factor."""

    def accept_code(self, name: str, code: str) -> bool:
        """Whether this is a code of this moment, not used before; it is used up."""


class LockOuts(Protocol):
    """Brute-force protection per (principal, address prefix)."""

    def locked(self, principal: str, source: str) -> bool:
        """Whether this pair must be refused now."""

    def failed(self, principal: str, source: str) -> bool:
        """Count a failed sign-in; true when this one locks the pair."""

    def succeeded(self, principal: str, source: str) -> None:
        """Forget the failures of the pair."""


class TargetBook(Protocol):
    """The registered targets."""

    def target(self, name: str) -> Target | None:
        """The target of that alias, if there is one."""

    def targets(self) -> Sequence[Target]:
        """All of them, by name."""

    def secret(self, reference: str) -> str:
        """The value behind a secret reference. Raises SettingsError if it cannot be read."""


class HostkeyPins(Protocol):
    """Host keys of SSH targets that were believed at their first use, for good."""

    def pinned(self, names: Sequence[str]) -> frozenset[bytes]:
        """The keys (wire form) that any of these names, `host:port`, is pinned to."""

    def pin(self, names: Sequence[str], key: bytes) -> None:
        """Pin the names, durably. Raises SettingsError if it cannot be kept."""


class CatalogueDesk(Protocol):
    """What a target's schema says, kept at most 60 s."""

    def fresh(self, session: Session) -> CatalogueView | None:
        """The view if one younger than 60 s is at hand; no I/O."""

    async def look_up(self, session: Session) -> CatalogueView | None:
        """Read it (one look-up at a time per database); None when it failed: nothing is proven."""

    def invalidate(self, session: Session) -> None:
        """DDL went through this gateway: what is known of this database is void."""

    def unsettle(self, session: Session) -> None:
        """Code that may change the schema, and commit while it runs, goes to this database."""

    def settle(self, session: Session) -> None:
        """As often as `unsettle`: that code has ended, or nothing more will be known of it."""


class EventArchive(Protocol):
    """Reading events back, for those whom policy lets."""

    async def search(self, query: SearchQuery) -> Sequence[StoredEvent]:
        """Matches, newest first. Waits until the index holds all that was durable at the call."""

    async def event(self, n: int) -> StoredEvent | None:
        """One event by index, also while only the spool holds it."""

    def tail(self, from_n: int | None = None) -> AsyncIterator[StoredEvent]:
        """Durable events as they come, from `from_n` or from now on."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as listed: never its secret. Times in microseconds UTC, 0 for never."""

    id: str
    principal: str
    created_us: int
    expires_us: int
    revoked_us: int
    note: str


class Tokens(Protocol):
    """Access tokens; the secret is shown once, at making."""

    def make(self, principal: str, *, ttl_s: int | None, note: str) -> tuple[TokenRow, str]:
        """A new token and its secret. Raises NotPermitted for an unknown principal."""

    def revoke(self, token_id: str) -> TokenRow:
        """Revoke by id or unique prefix. Raises KeyError if there is none."""

    def rows(self, principal: str | None = None) -> Sequence[TokenRow]:
        """Tokens, newest first."""

    def settle(self, token_id: str, kind: EventKind) -> TokenRow:
        """The event `token.made` or `token.revoked` of this token is durable.

        Only then does a made token work; a revoked one stopped at once. Raises KeyError if there
        is no such token.
        """


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as kept: its row, its verifier, and whether the event of its making is durable.

    `finder` is the digest by which it is found where no name comes with it; empty for tokens that
    are older than that.
    """

    row: TokenRow
    stored_key: bytes
    server_key: bytes
    active: bool
    finder: bytes = b""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event that a transition owes the journal. `subject` is the id of what changed."""

    id: int
    kind: EventKind
    subject: str
    payload: bytes
    created_us: int


class Outbox(Protocol):
    """Store, journal, effect: what the journal has not been told yet."""

    def pending(self) -> Sequence[OutboxRow]:
        """All rows, oldest first."""

    def settle(self, row_id: int) -> None:
        """Its event is durable: release the effect and clear the row, in one transaction."""


class TokenStore(Outbox, Protocol):
    """Where tokens are kept. Each change is one transaction that also writes its outbox row."""

    def salt_key(self) -> bytes:
        """32 random bytes, made once: salts of all principals, known or not, derive from it."""

    def tokens(self) -> Sequence[StoredToken]:
        """All of them, newest first."""

    def add_token(self, token: StoredToken, event: bytes) -> OutboxRow:
        """Keep a token that does not work yet; `event` is the payload of its `token.made`."""

    def revoke_token(self, token_id: str, at_us: int, event: bytes) -> OutboxRow:
        """Mark as revoked, at once. Raises KeyError if there is none or it is revoked already."""
