"""Requests as plain values, for what is made of them without anybody asking."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.notify.slack_blocks import Known

NOW_US = 1_763_000_000_000_000
_US = 1_000_000
SIGHT = {
    "verb": "DELETE", "table": "public.customers", "rows_estimate": 1_204_331,
    "rows_total": 1_204_331, "index_used": "",
    "locks_wanted": {"count": 1, "tables": [{"table": "public.customers", "mode": "ROW EXCLUSIVE"}]},
}  # fmt: skip
KNOWN = Known(
    NOW_US, approve="K3F9.yes", deny="K3F9.no", link="https://gw.example/r/K3F9",
    before="3 asked, 1 approved", deciders=("bob", "carol"),
)  # fmt: skip


def sample(text: str = "DELETE FROM customers;", **changes: Any) -> ApprovalRequest:
    """Alice asks to delete; keyword arguments go to request, subject, why or place."""
    subject: dict[str, Any] = {
        "kind": RequestKind.STATEMENT, "verb": "DELETE", "text": text, "template": "DELETE FROM customers",
        "facts": {"where": ["absent"]}, "tags": frozenset({"destructive"}),
        "unbound": ("the rows that it meets when it runs",),
    }  # fmt: skip
    why: dict[str, Any] = {
        "rule": "prod-writes-need-dba", "reason": "writes need a dba", "policy": "7f3a9c2",
        "approvers": (("dba",),), "risk": "moderate",
    }  # fmt: skip
    place: dict[str, Any] = {
        "principal": "alice", "person": "p-alice", "target": "orders-prod", "account": "app_rw",
        "source": "10.1.4.7", "session": "ab" * 16, "session_code": "S-8QZ4",
    }  # fmt: skip
    for given in (subject, why, place):
        given.update({name: changes.pop(name) for name in list(changes) if name in given})
    subject["redacted"] = changes.pop("redacted", False)
    made = ApprovalRequest(
        "K3F9", Place(**place), Subject(**subject), Why(**why),
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), NOW_US,
        NOW_US + 900 * _US, reason=changes.pop("words", "ticket OPS-412"),
        sight=changes.pop("sight", SIGHT),
    )  # fmt: skip
    return replace(made, **changes)


def ended(state: RequestState, by: str = "bob", why: str = "", after_s: int = 72, **changes: Any) -> ApprovalRequest:
    """The same after its end."""
    verdict = VoteVerdict.APPROVE if state is RequestState.APPROVED else VoteVerdict.DENY
    votes = (Vote(by, f"p-{by}", verdict, "slack", NOW_US),) if by and state.value in ("approved", "denied") else ()
    return sample(
        state=state, decided_by=by, decided_us=NOW_US + after_s * _US, decision_reason=why, votes=votes, **changes
    )
