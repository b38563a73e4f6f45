"""What the API needs, who is calling, and whether policy lets them. Handlers live in `api`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.events import EventKind, Receipt
from gatekeep.domain.identity import Principal
from gatekeep.feedback.ports import Suggestions
from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.policy_ports import PolicyBook, PolicyWish
from gatekeep.gate.ports import (
    Directory,
    EventArchive,
    Journal,
    Judgement,
    PolicyDesk,
    SearchQuery,
    TargetBook,
    Tokens,
)
from gatekeep.gate.supervision import LiveSession
from gatekeep.identity.bearers import Bearers
from gatekeep.messages.api import Words
from gatekeep.recordings.live import LiveRecordings
from gatekeep.runtime.clock import Clock
from gatekeep.web.refusals import Explained
from gatekeep.web.second_step import SecondStep
from gatekeep.web.waiting import Waits

RecordEvent = Callable[[EventKind, bytes, bytes], Awaitable[Receipt]]
"""Record one event of the gateway's own stream (kind, payload, decision) and wait for its fsync.

Raises JournalUnavailable; then whatever was asked for must not be given.
"""

AUDIT_READ: Final = "audit.read"
BREAK_GLASS: Final = "breakglass"
GRANT_REVOKE: Final = "grant.revoke"
REVIEW_CLOSE: Final = "review.close"
TOKEN_MAKE: Final = "token.make"  # noqa: S105 - the name of an action, not a secret
TOKEN_READ: Final = "token.read"  # noqa: S105 - the name of an action, not a secret
TOKEN_REVOKE: Final = "token.revoke"  # noqa: S105 - the name of an action, not a secret
PRINCIPAL_READ: Final = "principal.read"
RECORDING_PLAY: Final = "recording.play"
SESSION_KILL: Final = "session.kill"
SESSION_WATCH: Final = "session.watch"
POLICY_APPLY: Final = "policy.apply"
POLICY_READ: Final = "policy.read"
SUGGESTION_ACCEPT: Final = "suggestion.accept"
TARGET_READ: Final = "target.read"
VERBS: Final = (
    AUDIT_READ,
    BREAK_GLASS,
    GRANT_REVOKE,
    POLICY_APPLY,
    POLICY_READ,
    PRINCIPAL_READ,
    RECORDING_PLAY,
    REVIEW_CLOSE,
    SESSION_KILL,
    SESSION_WATCH,
    SUGGESTION_ACCEPT,
    TARGET_READ,
    TOKEN_MAKE,
    TOKEN_READ,
    TOKEN_REVOKE,
)
"""Every gateway action that the API, or the desk behind it, asks policy about."""


@dataclass(frozen=True, slots=True)
class SshDoorFacts:
    """What clients of the SSH door must know; nothing of it is secret.

    `address` is `host:port` as clients reach it, `fingerprint` that of its host key, `authority`
    the line of known_hosts by which targets behind the jump host are known.
    """

    address: str
    fingerprint: str
    authority: str


@dataclass(frozen=True, slots=True)
class ApprovalNeeds:
    """What the addresses of approvals work with; `waits` hears the desk's changes."""

    desk: Approvals
    codes: SecondStep
    waits: Waits


@dataclass(frozen=True, slots=True)
class ApiNeeds:
    """Everything the API works with; the composition root fills it.

    `parse_query` raises ClientFault for a query that cannot be understood. `reload` loads
    targets, principals and policy anew for whoever wishes it and says what is active now; it
    raises SettingsError and then the old ones stay active. `ssh` is None without that door,
    `approvals` where nobody can be asked, `bearers` where no tokens are taken, `suggestions` where
    no loop runs.
    """

    directory: Directory
    book: TargetBook
    desk: PolicyDesk
    archive: EventArchive
    tokens: Tokens
    live_sessions: Iterable[LiveSession]
    parse_query: Callable[[str], SearchQuery]
    record: RecordEvent
    reload: Callable[[PolicyWish], Awaitable[Mapping[str, Any]]]
    policies: PolicyBook
    clock: Clock
    recordings: LiveRecordings
    ssh: SshDoorFacts | None = None
    approvals: ApprovalNeeds | None = None
    bearers: Bearers | None = None
    suggestions: Suggestions | None = None


NEEDS: Final = web.AppKey("needs", ApiNeeds)
PRINCIPAL: Final = web.RequestKey("principal", Principal)
VIA: Final = web.RequestKey("via", str)
"""The door that the caller came through: `cli` on the Unix socket, `api` elsewhere."""


def journal_recorder(journal: Journal) -> RecordEvent:
    """A RecordEvent that appends to the journal's system stream."""

    async def record(kind: EventKind, payload: bytes, decision: bytes) -> Receipt:
        pending = journal.append(journal.system, kind, payload, decision=decision)
        return await pending.durable()

    return record


def permitted(request: web.Request, verb: str) -> Judgement | None:
    """The judgement if policy allows `verb` to the caller, else None."""
    judgement = request.app[NEEDS].desk.judge_gateway(request[PRINCIPAL], verb)
    return judgement if judgement.decision.verdict is Verdict.ALLOW else None


def demand(request: web.Request, verb: str) -> Judgement:
    """The judgement of an allowed `verb`. Raises NotPermitted, in the words of the decision."""
    judgement = request.app[NEEDS].desk.judge_gateway(request[PRINCIPAL], verb)
    if judgement.decision.verdict is not Verdict.ALLOW:
        raise Refused(verb, judgement.decision)
    return judgement


class Refused(Explained):
    """Policy does not let the caller do this; `why` and `advice` are shown to them."""

    def __init__(self, verb: str, decision: Decision) -> None:
        asks = decision.verdict is Verdict.ASK
        super().__init__(
            Words(
                "this needs approval, and approvals are not set up here"
                if asks
                else f"policy does not allow {verb}",
                f"rule {decision.rule}: {decision.reason}"
                if decision.rule
                else "no rule permits it",
                f"ask {decision.owner}, who owns the rule"
                if decision.owner
                else "ask those who own the policy",
            )
        )


async def record(
    request: web.Request,
    kind: EventKind,
    judgement: Judgement | None,
    facts: Mapping[str, Any],
) -> Receipt:
    """Make durable what the caller does, with the decision that let them. Raises if it cannot.

    Without a judgement it was no rule that let them, but their part in the matter.
    """
    via = "socket" if request.get(VIA, "cli") == "cli" else request[VIA]
    payload = orjson.dumps(
        {"principal": request[PRINCIPAL].name, "via": via, **facts},
        option=orjson.OPT_SORT_KEYS,
    )
    envelope = judgement.envelope_json if judgement is not None else b""
    return await request.app[NEEDS].record(kind, payload, envelope)
