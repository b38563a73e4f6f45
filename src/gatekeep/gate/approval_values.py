"""What is handed to the desk and comes back from it: wishes, limits, ballots' answers. Plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatekeep.domain.approvals import Approval, ApprovalRequest, Place, Scope, Subject, Why
from gatekeep.domain.grants import Grant
from gatekeep.gate.approval_ports import Ballot

Enough = Callable[[Approval], bool]
"""Whether policy would release what is asked, were there this approval. Asked at the last vote."""

GrantFor = Callable[[ApprovalRequest, Ballot, frozenset[str]], Grant | None]
"""The grant that an approval of this scope makes: none for ONCE. `frozenset`: the groups."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often may be asked, in seconds."""

    open_s: float = 900.0
    in_transaction_s: float = 120.0
    grant_s: float = 1800.0
    max_open: int = 5
    after_denial_s: float = 900.0


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What is to be asked. `digest` is that of the binding; `scope` what an approval gives."""

    place: Place
    subject: Subject
    why: Why
    digest: str
    reason: str = ""
    in_transaction: bool = False
    starts_us: int = 0
    grant_s: int = 0
    scope: Scope = Scope.ONCE


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Why nothing was asked: `nobody`, `too_many` (then `open` of them), or `denied_lately`.

    `denier` denied the same, and `wait_s` seconds must pass before it can be asked again.
    """

    cause: str
    open: int = 0
    denier: str = ""
    wait_s: int = 0
    request: str = ""


@dataclass(frozen=True, slots=True)
class CastVote:
    """What became of a ballot. Implements gate.approval_ports.Cast."""

    request: ApprovalRequest
    counted: bool
    refusal: str
    words: str
