"""What the pages work with; the composition root fills it. No page is made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.feedback.ports import Suggestions
from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ports import Directory, EventArchive, LockOuts, PolicyDesk, SshProofs
from gatekeep.identity.passwords import PasswordBook
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.web.access import RecordEvent
from gatekeep.web.sources import Sources


class Strangers(Protocol):
    """Where failed sign-ins are noted: folded, so that a flood of them is few events."""

    def note(self, kind: EventKind, source: str, cause: str, principal: str = "") -> None:
        """Something happened. `cause` is one of few words of ours."""


class SlackInvitation(Protocol):
    """What somebody does in Slack to go on with a linking that he has begun."""

    @property
    def workspace(self) -> str:
        """The workspace's name, as Slack tells it."""

    @property
    def instruction(self) -> str:
        """One sentence: what to send to whom there, so that Slack shows a code to that account."""

    @property
    def ends_us(self) -> int:
        """Until when the code counts, microseconds UTC."""


class SlackLink(Protocol):
    """A Slack account that is linked to a principal, as both are to see it."""

    @property
    def workspace(self) -> str:
        """The workspace's name."""

    @property
    def account(self) -> str:
        """The account's id in it."""

    @property
    def display_name(self) -> str:
        """The account's name as people see it there."""

    @property
    def linked_us(self) -> int:
        """Since when, microseconds UTC."""


class SlackLinking(Protocol):
    """Ties a principal to his Slack account (12-threats H12).

    Begun here with a fresh second factor, finished here by the code that Slack showed to the
    account; unique both ways, both ends are told.
    """

    async def linked(self, principal: Principal) -> SlackLink | None:
        """The account that is linked now."""

    async def begin(self, principal: Principal) -> SlackInvitation:
        """Open an invitation for ten minutes or so; one begun before is void.

        Raises NotPermitted, in words for the principal.
        """

    async def finish(self, principal: Principal, code: str) -> SlackLink:
        """Link the account that this code was shown to.

        Raises NotPermitted, in words for the principal: no such code, too late, or the account is
        another principal's.
        """


@dataclass(frozen=True, slots=True)
class SignInLimits:
    """How long a sign-in lasts, seconds: at most, and without a page in between.

    `fresh_s` is how long after a password nobody is asked for it again.
    """

    lasts_s: float = 43_200.0
    idle_s: float = 1_800.0
    fresh_s: float = 600.0


@dataclass(frozen=True, slots=True)
class SignInNeeds:
    """What proves somebody to a browser, and where failures are counted."""

    passwords: PasswordBook
    proofs: SshProofs
    lock_outs: LockOuts
    strangers: Strangers
    limits: SignInLimits = SignInLimits()


@dataclass(frozen=True, slots=True)
class PageNeeds:
    """Everything the pages work with.

    `base_url` is the address that people see, empty where that is the door's own. `now_us` never
    lets a stepped clock lengthen anything; `draw(n)` gives random bytes. `template_s` is how long
    leave for a template lasts. `slack` is None where no workspace is set up, `suggestions` where no loop
    runs.
    """

    approvals: Approvals
    directory: Directory
    desk: PolicyDesk
    archive: EventArchive
    record: RecordEvent
    sign_in: SignInNeeds
    sources: Sources
    now_us: Callable[[], int]
    monotonic_ns: Callable[[], int]
    draw: Callable[[int], bytes]
    owner: TaskOwner
    offload: Offload
    base_url: str = ""
    template_s: int = 1_800
    slack: SlackLinking | None = None
    suggestions: Suggestions | None = None
