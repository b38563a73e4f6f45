"""The port of what waits: what a proxy offers for it. What is decided about it is the gate's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.grants import Slot
from gatekeep.domain.likeness import Likeness
from gatekeep.gate.approval_ports import Departure


class Hold(Protocol):
    """What a proxy offers for one submission that may have to wait; made anew for each.

    `clear` and `clear_command` of the gate take it. Nothing of it may wait or raise. `departed`
    resolves when nobody wants the action any more; the gate then withdraws the request and
    refuses the action. `in_transaction`: the client holds a transaction open on the target.
    """

    @property
    def departed(self) -> asyncio.Future[Departure]:
        """Resolved once the client has cancelled or left, the target has gone, or we stop."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open that may hold locks: it may wait for a short time only."""

    def binding(self, positions: Sequence[int]) -> Sequence[tuple[str, str]]:
        """What the approval of these actions (their places in the submission) is bound to, now.

        Named fields in a fixed order: the exact bytes of each action as SHA-256, and all that decides
        what they mean. Asked at the question and at release: any that differs voids the approval.
        """

    async def read_anew(self) -> None:
        """Before a release: what its names stand for may have changed. `binding` tells; may raise."""

    def slots(self) -> Sequence[Slot]:
        """The values of a single statement's template, in order; none where there is no template."""

    def around(self) -> Mapping[str, str]:
        """What decides how it is read, by name; part of what a grant of a template is bound to."""

    def likenesses(self, positions: Sequence[int]) -> Sequence[Likeness | None]:
        """What each has in common with its like; None unless the session reads as when it began."""

    async def look(self) -> Mapping[str, object]:
        """What can be found out for the approver without running anything; never raises."""

    def waiting(self, request: ApprovalRequest, deciders: Sequence[str]) -> None:
        """It waits for a person from now on: tell the client."""

    def still_waiting(self, request: ApprovalRequest, left_s: int) -> None:
        """Another minute has passed."""

    def escalated(self, request: ApprovalRequest, groups: Sequence[str]) -> None:
        """These were asked, too."""

    def approved(self, request: ApprovalRequest) -> None:
        """A person said yes: it is about to go out."""

    def over(self) -> None:
        """It waits no more, whatever has come of it."""


MakeHold = Callable[[], Hold]
"""Makes a hold when one is needed: what is not asked about pays nothing for it."""
