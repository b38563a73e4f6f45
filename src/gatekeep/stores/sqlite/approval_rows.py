"""Requests, votes and grants as JSON in rows of `state.db`, and back. No SQL here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Scope,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.domain.grants import Grant

_ELSEWHERE = ("votes", "sight", "escalated")


def dumped(value: Any) -> bytes:
    """JSON with sorted keys; sets become sorted lists."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def request_body(request: ApprovalRequest) -> bytes:
    """What never changes of a request; what does has columns of its own."""
    shown = orjson.loads(dumped(request))
    for name in _ELSEWHERE:
        shown.pop(name)
    return dumped(shown)


def request_of(
    body: bytes, columns: Mapping[str, Any], votes: Iterable[bytes]
) -> ApprovalRequest:
    """A request from its row. `columns` are state, decision, outcome and what was found out."""
    kept = orjson.loads(body)
    place, subject, why = kept["place"], kept["subject"], kept["why"]
    return ApprovalRequest(
        id=kept["id"],
        place=Place(**{**place, "groups": frozenset(place["groups"])}),
        subject=Subject(
            **{
                **subject,
                "kind": RequestKind(subject["kind"]),
                "tags": frozenset(subject["tags"]),
                "unbound": tuple(subject["unbound"]),
            }
        ),
        why=Why(**{**why, "approvers": tuple(tuple(one) for one in why["approvers"])}),
        digest=kept["digest"],
        created_us=kept["created_us"],
        open_until_us=kept["open_until_us"],
        reason=kept["reason"],
        in_transaction=kept["in_transaction"],
        grant_s=kept["grant_s"],
        starts_us=kept["starts_us"],
        state=RequestState(columns["state"]),
        votes=tuple(map(_vote_of, votes)),
        scope=Scope(columns["scope"]),
        escalated=tuple(orjson.loads(columns["escalated"])),
        decided_us=columns["decided_us"],
        decided_by=columns["decided_by"],
        decision_reason=columns["decision_reason"],
        outcome=columns["outcome"],
        settled=bool(columns["settled"]),
        sight=orjson.loads(columns["sight"]),
    )


def _vote_of(body: bytes) -> Vote:
    kept = orjson.loads(body)
    return Vote(
        **{
            **kept,
            "verdict": VoteVerdict(kept["verdict"]),
            "groups": frozenset(kept["groups"]),
            "scope": Scope(kept["scope"]),
            "freed": tuple(kept.get("freed", ())),
        }
    )


def grant_of(body: bytes, columns: Mapping[str, Any]) -> Grant:
    """A grant from its row. `columns` are its uses, its revocation, and whether it is settled."""
    kept = orjson.loads(body)
    return Grant(
        **{
            **kept,
            "scope": Scope(kept["scope"]),
            "groups": frozenset(kept["groups"]),
            "persons": {name: frozenset(held) for name, held in kept["persons"].items()},
            **columns,
            "settled": bool(columns["settled"]),
        }
    )
