"""What a conversation about files (sftp, scp) gives to its proxy. Plain words; nothing here reads bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from gatekeep.domain.commands import SshAction
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome


class Submit(NamedTuple):
    """An operation to be judged and recorded; then `release(key)` or `refuse(key, words)`."""

    key: int
    action: SshAction


class ToTarget(NamedTuple):
    """Bytes for the target: what was released, what needs no decision of its own, or our question."""

    data: bytes


class Answer(NamedTuple):
    """Bytes of ours for the client."""

    data: bytes


class Relay(NamedTuple):
    """Bytes of the target for the client, checked."""

    data: bytes


class Settled(NamedTuple):
    """What became of a released operation.

    `details` says in words for an event what went over: `read` and `written` as `Content.summary`
    gives them, `failed` (requests that the target refused), `dropped` (names left out), `copied`, `truncated`.
    """

    key: int
    outcome: Outcome
    details: Mapping[str, Any]


class Note(NamedTuple):
    """Something to record that is no action. There are at most a few hundred of one conversation."""

    kind: EventKind
    payload: Mapping[str, Any]


class Violation(NamedTuple):
    """Somebody broke the protocol: both wires must be closed. No turn follows."""

    what: str
    whose: Literal["client", "target"]


Turn: TypeAlias = Submit | ToTarget | Answer | Relay | Settled | Note | Violation
