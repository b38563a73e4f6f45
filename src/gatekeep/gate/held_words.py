"""Which words say why something that waited was not released. The words themselves are in `messages`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.ballots import denier_of
from gatekeep.gate.holding import NotReleased
from gatekeep.messages import Place, RuleWords, WireMessage, approval_not_set_up
from gatekeep.messages import approvals as words
from gatekeep.messages import ssh_approvals as lines

_US: Final = 1_000_000


def message_of(not_released: NotReleased | None, rule: RuleWords, place: Place) -> WireMessage:
    """For a Postgres client; the first argument is None where nobody could be asked at all."""
    refused = not_released.refused if not_released is not None else None
    request = not_released.request if not_released is not None else None
    if refused is not None and refused.cause == "too_many":
        return words.too_many_open(refused.open, rule, place)
    if refused is not None and refused.cause == "denied_lately":
        return words.denied_lately(refused.request, refused.denier, refused.wait_s, rule, place)
    if not_released is None or request is None:
        return approval_not_set_up(rule, place)
    return _message(not_released, request, rule, place)


def _message(
    why: NotReleased, request: ApprovalRequest, rule: RuleWords, place: Place
) -> WireMessage:
    told = replace(rule, context=f"request {request.id}, {rule.context}")
    if why.cause == "denied":
        return words.denied(request.id, denier_of(request), request.decision_reason, told, place)
    if why.cause == "expired":
        return words.expired(
            request.id, _open_s(request), why.asked, request.escalated, told, place
        )
    if why.departure is Departure.DRAINING:
        return words.gateway_drains(request.id)
    if why.departure is not None:
        return words.cancelled(request.id, request.place.target, told)
    return words.fits_no_more(request.id, why.changed, told, place)


def lines_of(not_released: NotReleased | None, rule: RuleWords) -> tuple[str, ...]:
    """For an SSH client; the first argument is None where nobody could be asked at all."""
    refused = not_released.refused if not_released is not None else None
    request = not_released.request if not_released is not None else None
    if refused is not None and refused.cause == "too_many":
        return lines.too_many_open(refused.open)
    if refused is not None and refused.cause == "denied_lately":
        return lines.denied_lately(refused.request, refused.denier, refused.wait_s)
    if not_released is None or request is None:
        return lines.nobody_to_ask(rule)
    return _lines(not_released, request)


def _lines(why: NotReleased, request: ApprovalRequest) -> tuple[str, ...]:
    if why.cause == "denied":
        return lines.denied(request.id, denier_of(request), request.decision_reason)
    if why.cause == "expired":
        return lines.expired(request.id, _open_s(request), why.asked, request.escalated)
    if why.departure is Departure.DRAINING:
        return lines.gateway_drains(request.id)
    if why.departure is not None:
        return lines.withdrawn(request.id)
    return lines.fits_no_more(request.id, [why.changed])


def _open_s(request: ApprovalRequest) -> int:
    return (request.open_until_us - request.created_us) // _US
