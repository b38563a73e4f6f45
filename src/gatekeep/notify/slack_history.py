"""What happened to the same before, in a few words for a message."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.gate.approval_ports import Approvals
from gatekeep.messages import slack as words

_READ: Final = 50


async def earlier(approvals: Approvals, request: ApprovalRequest) -> str:
    """How often the same was asked on this target before, and what came of it."""
    found = await approvals.requests(
        template=request.subject.template, target=request.place.target, limit=_READ
    )
    others = [one for one in found if one.id != request.id and one.created_us <= request.created_us]
    return words.before(Counter(one.state.value for one in others), more=len(found) == _READ)
