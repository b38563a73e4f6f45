"""Reviews: leave that somebody took without being asked has to be looked at by somebody else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Review:
    """A break-glass grant that is to be looked at. Times are microseconds UTC, 0 for not yet.

    `principal` took the leave, for `reason`; `person` is whose that is, or who answers for the machine
    that took it. `finding` is the word of `closed_by`.
    """

    id: str
    grant: str
    principal: str
    person: str
    target: str
    account: str
    opened_us: int
    reason: str = ""
    closed_us: int = 0
    closed_by: str = ""
    finding: str = ""
