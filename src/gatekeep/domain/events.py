"""Events: past facts, and the receipts that prove them durable."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class EventKind(enum.StrEnum):
    """Every kind of event that exists so far (the journal page lists the words)."""

    LOG_GENESIS = "log.genesis"
    LOG_HEARTBEAT = "log.heartbeat"
    SESSION_OPENED = "session.opened"
    SESSION_REFUSED = "session.refused"
    SESSION_CLOSED = "session.closed"
    SESSION_ABORTED = "session.aborted"
    SESSION_KILLED = "session.killed"
    AUTH_SUCCEEDED = "auth.succeeded"
    AUTH_FAILED = "auth.failed"
    AUTH_LOCKED = "auth.locked"
    ACTION_REQUESTED = "action.requested"
    ACTION_DECIDED = "action.decided"
    ACTION_RELEASED = "action.released"
    ACTION_REFUSED = "action.refused"
    ACTION_FINISHED = "action.finished"
    ACTION_UNKNOWN = "action.unknown"
    POLICY_ACTIVATED = "policy.activated"
    POLICY_HELD = "policy.held"
    PROTOCOL_FAULT = "protocol.fault"
    TARGET_FAULT = "target.fault"
    NOTIFICATION_RECEIVED = "notification.received"
    SECRET_REDACTED = "secret.redacted"  # noqa: S105 - a kind of event, not a secret
    TOKEN_MADE = "token.made"  # noqa: S105 - a kind of event, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a kind of event, not a secret
    DIRECTORY_CHANGED = "directory.changed"
    SETTINGS_LOADED = "settings.loaded"
    CLOCK_STEPPED = "clock.stepped"
    RECOVERY_TORN = "recovery.torn"
    RECOVERY_DONE = "recovery.done"
    KEY_ROTATED = "key.rotate"
    CANCEL_RECEIVED = "cancel.received"
    AUDIT_READ = "audit.read"
    CHANNEL_OPENED = "channel.opened"
    CHANNEL_CLOSED = "channel.closed"
    RECORDING_CHUNK = "recording.chunk"
    RECORDING_VIEWED = "recording.viewed"
    LINE_HIDDEN = "line.hidden"
    LINE_UNGATED = "line.ungated"
    GATE_DEGRADED = "gate.degraded"
    OPAQUE_BEGAN = "opaque.began"
    OPAQUE_ENDED = "opaque.ended"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_VOTED = "approval.voted"
    APPROVAL_ESCALATED = "approval.escalated"
    APPROVAL_DECIDED = "approval.decided"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    GRANT_MADE = "grant.made"
    GRANT_SPENT = "grant.spent"
    GRANT_REVOKED = "grant.revoked"
    BREAKGLASS_OPENED = "breakglass.opened"
    REVIEW_OPENED = "review.opened"
    REVIEW_CLOSED = "review.closed"
    HOSTKEY_ACCEPTED = "hostkey.accepted"
    HOSTKEY_CHANGED = "hostkey.changed"
    SUGGESTION_PROPOSED = "suggestion.proposed"
    SUGGESTION_SNOOZED = "suggestion.snoozed"
    SUGGESTION_DISMISSED = "suggestion.dismissed"
    SUGGESTION_ACCEPTED = "suggestion.accepted"
    SUGGESTION_SHADOW = "suggestion.shadow"
    SUGGESTION_CANARY = "suggestion.canary"
    SUGGESTION_ACTIVE = "suggestion.active"
    SUGGESTION_VERIFIED = "suggestion.verified"
    SUGGESTION_REVERTED = "suggestion.reverted"
    SUGGESTION_EXPIRED = "suggestion.expired"
    SUGGESTION_SAMPLED = "suggestion.sampled"
    SUGGESTION_ANSWERED = "suggestion.answered"
    SUGGESTION_CHECKED = "suggestion.checked"


class Receipt(NamedTuple):
    """Proof that one event is durable. Only the journal makes one, after its fsync.

    `n` is the event's index in the log, `batch` the number of the batch that held it.
    """

    n: int
    batch: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as read back: the envelope, the opened payload (None when sealed), the state.

    A search gives an action together with what became of it: `outcome_n` is the index of its
    `action.finished` (or `action.unknown`) event and `outcome` that event's payload, where known.
    """

    n: int
    envelope: Mapping[str, Any]
    payload: Mapping[str, Any] | None
    state: str
    outcome_n: int | None = None
    outcome: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed search: exact values by key (`*` suffix allowed), the rest is text.

    Keys: principal target account session kind class decision rule tag table template request
    outcome. `since_us`/`until_us` are microseconds UTC. `before_n` pages backwards.
    """

    terms: tuple[tuple[str, str], ...] = ()
    text: str = ""
    since_us: int | None = None
    until_us: int | None = None
    before_n: int | None = None
    limit: int = 100
