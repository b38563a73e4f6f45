"""Limits against fatigue and shopping around: how often the same may be asked, and of how many.

After a denial the same has to wait, and then it takes who denied it, or one vote more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Why
from gatekeep.gate.approval_ports import ApprovalStore
from gatekeep.gate.approval_values import Limits, NewRequest, NotAsked
from gatekeep.gate.ballots import denier_of

_DECIDED: Final = frozenset({RequestState.DENIED, RequestState.APPROVED})
_US: Final = 1_000_000


def last_decided(store: ApprovalStore, wish: NewRequest) -> ApprovalRequest | None:
    """The request of the same person for the same that was decided last."""
    before = store.requests(template=wish.subject.template, target=wish.place.target)
    return next(
        (
            one
            for one in before
            if one.place.person == wish.place.person and one.state in _DECIDED
        ),
        None,
    )


def too_soon(
    last: ApprovalRequest | None, asked_of_late: int, now_us: int, limits: Limits
) -> NotAsked | None:
    """Why it may not be asked now; `asked_of_late` counts the person's open requests."""
    if asked_of_late >= limits.max_open:
        return NotAsked("too_many", open=asked_of_late)
    if last is None or last.state is not RequestState.DENIED:
        return None
    left_us = last.decided_us + int(limits.after_denial_s * _US) - now_us
    if left_us <= 0:
        return None
    return NotAsked(
        "denied_lately", denier=denier_of(last), wait_s=-(-left_us // _US), request=last.id
    )


def with_extra(why: Why, last: ApprovalRequest | None) -> Why:
    """After a denial it takes one vote more, or who denied it."""
    if last is None or last.state is not RequestState.DENIED:
        return why
    return replace(why, extra=1, denier=denier_of(last))
