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

_US: Final = 1_000_000


def last_decided(store: ApprovalStore, wish: NewRequest) -> ApprovalRequest | None:
    """The request of the same person for the same that was decided last."""
    return store.last_decided(wish.place.person, wish.place.target, wish.subject.template)


def same_again(one: ApprovalRequest, other: ApprovalRequest) -> bool:
    """Whether two requests are by the same person for the same."""
    return (
        one.place.person == other.place.person
        and one.place.target == other.place.target
        and one.subject.template == other.subject.template
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
