"""Events as the gateway writes them: real payloads by its own builders, numbered as they come.

What happens is decided elsewhere; here is only how it stands in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import ApprovalRequest, Vote
from gatekeep.domain.commands import SshAction
from gatekeep.domain.events import EventKind, StoredEvent
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.domain.sessions import Session
from gatekeep.gate import approval_events
from gatekeep.gate.approval_ports import Ending, Told
from gatekeep.gate.command_evidence import command_payload
from gatekeep.gate.evidence import (
    EvidenceWriter,
    outcome_counters,
    outcome_payload,
    session_fragment,
)
from gatekeep.gate.ports import Judgement

SYSTEM: Final = "0" * 32
_DONE: Final = Outcome(OutcomeKind.DONE, tag="UPDATE 1", rows=1)


@dataclass
class Pen:
    """Writes events in order and hands each to `read`; `wall_us` tells the time of now."""

    wall_us: Callable[[], int]
    read: Callable[[StoredEvent], None]
    n: int = 0

    def __post_init__(self) -> None:
        self._evidence = EvidenceWriter()

    def action(
        self, kind: EventKind, session: Session, action: SqlAction | SshAction,
        judgement: Judgement, **more: Any,
    ) -> int:  # fmt: skip
        """`action.requested`, `.released` or `.refused`; its index."""
        build = self._evidence.action if isinstance(action, SqlAction) else command_payload
        payload = build(action, judgement, session_fragment(session), **more)  # type: ignore[operator]
        envelope = {"g": orjson.loads(judgement.envelope_json), "x": session.target.name}
        return self._write(kind, payload, session.id, envelope)

    def finished(self, session: Session, of: int) -> None:
        """`action.finished` of the released event `of`."""
        envelope = {"r": orjson.loads(outcome_counters(of, _DONE)), "x": session.target.name}
        payload = outcome_payload(of, _DONE, 4_000)
        self._write(EventKind.ACTION_FINISHED, payload, session.id, envelope)

    def requested(self, request: ApprovalRequest) -> None:
        """`approval.requested`."""
        self.told(approval_events.requested(request))

    def voted(self, request: ApprovalRequest, vote: Vote) -> None:
        """`approval.voted`."""
        self.told(approval_events.voted(request, vote))

    def ended(self, request: ApprovalRequest, ending: Ending) -> None:
        """The event by which a request leaves `pending`."""
        self.told(approval_events.ended(request, ending))

    def activated(self, digest: str, texts: dict[str, str], rules: int) -> None:
        """`policy.activated`, as the state's outbox words it."""
        facts = {"by": "start", "via": "start", "rules": rules, "policy": digest, "texts": texts}
        payload = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
        self._write(EventKind.POLICY_ACTIVATED, payload, SYSTEM, {})

    def told(self, told: Told) -> int:
        """An event of the gateway's own stream."""
        return self._write(told.kind, told.payload, SYSTEM, {})

    def _write(self, kind: EventKind, payload: bytes, stream: str, more: dict[str, Any]) -> int:
        n, self.n = self.n, self.n + 1
        now = self.wall_us()
        envelope = {"b": "b1", "k": kind.value, "n": n, "o": "bench", "s": stream, "t": now, **more}
        self.read(StoredEvent(n, envelope, orjson.loads(payload), "OK"))
        return n
