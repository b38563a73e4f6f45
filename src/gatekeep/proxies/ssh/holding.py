"""What SSH offers while something waits for a person: how its client is told, and who may leave.

Decides nothing and sends nothing to a target. Which words there are is `messages`' affair, what an
approval is bound to `bindings`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.commands import Assurance, SshAction
from gatekeep.domain.grants import Slot
from gatekeep.domain.likeness import Likeness
from gatekeep.gate.approval_ports import Departure
from gatekeep.messages import ssh_approvals as words
from gatekeep.proxies.ssh.bindings import Fields
from gatekeep.proxies.ssh.ends import ClientEnd

_US: Final = 1_000_000
_LEAVES: Final = b"\x03\x04"
_STOPPING: Final = frozenset({"INT", "TERM", "HUP", "QUIT", "KILL"})


class Voice(Protocol):
    """How the client of what waits is spoken to. None of these may wait."""

    def waiting(self, lines: tuple[str, ...], /) -> None:
        """It waits from now on; later, that others were asked as well."""

    def reminded(self, lines: tuple[str, ...], /) -> None:
        """It still waits: this takes the place of the last reminder, where that can be."""

    def approved(self, lines: tuple[str, ...], /) -> None:
        """It is about to go out."""


class Silent:
    """There is nowhere to say anything: what was asked for is just not answered yet."""

    def waiting(self, lines: tuple[str, ...], /) -> None:
        """Nothing."""

    def reminded(self, lines: tuple[str, ...], /) -> None:
        """Nothing."""

    def approved(self, lines: tuple[str, ...], /) -> None:
        """Nothing."""


class OnStderr:
    """Lines on the channel's standard error; standard output is the target's alone."""

    def __init__(self, say: Callable[[tuple[str, ...]], None]) -> None:
        self.waiting = say
        self.reminded = say
        self.approved = say


class Held:
    """One action that may have to wait. Implements gate.hold_ports.Hold.

    `bound()` are the fields that an approval is bound to, as they are at that moment; `likeness()` is
    that of the action where it now stands; `link_to(id)` leads to the request. What fails while the client is told goes to `on_fault`.
    """

    in_transaction: Final = False

    def __init__(
        self,
        action: SshAction,
        bound: Callable[[], Fields],
        voice: Voice,
        *,
        likeness: Callable[[], Likeness | None] = lambda: None,
        link_to: Callable[[str], str] = lambda _request: "",
        on_fault: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self.departed: asyncio.Future[Departure] = asyncio.get_running_loop().create_future()
        self._action = action
        self._bound = bound
        self._voice = voice
        self._likeness = likeness
        self._link_to = link_to
        self._on_fault = on_fault
        self._afterwards: list[Callable[[], None]] = []

    # who leaves

    def leave(self, why: Departure) -> None:
        """Nobody wants it any more; the first reason counts."""
        if not self.departed.done():
            self.departed.set_result(why)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call it, once, when it waits no more."""
        self._afterwards.append(call)

    def over(self) -> None:
        """It waits no more, whatever has come of it."""
        calls, self._afterwards = self._afterwards, []
        for call in calls:
            call()

    # what it is bound to

    def binding(self, positions: Sequence[int]) -> Fields:  # noqa: ARG002 - one action, always
        """See `bindings.bound`."""
        return self._bound()

    async def read_anew(self) -> None:
        """What a command names is not looked up."""

    def slots(self) -> Sequence[Slot]:
        """Commands have no templates."""
        return ()

    def around(self) -> Mapping[str, str]:
        """Only templates need it."""
        return {}

    def likenesses(self, positions: Sequence[int]) -> Sequence[Likeness | None]:
        """One action, always."""
        return [self._likeness() for _position in positions]

    async def look(self) -> Mapping[str, object]:
        """Nothing can be found out that the action does not say itself."""
        return {}

    # what the client is told

    def waiting(self, request: ApprovalRequest, deciders: Sequence[str]) -> None:
        """For whom, how long, what and why."""
        asking = words.Asking(
            request.id, request.why.approvers, deciders,
            (request.open_until_us - request.created_us) // _US, request.subject.text,
            request.why.rule, request.why.reason or request.why.title, self._link_to(request.id),
            inferred=self._action.mode == "line" and self._action.assurance is Assurance.INFERRED,
        )  # fmt: skip
        self._told(self._voice.waiting, words.waiting(asking))

    def still_waiting(self, request: ApprovalRequest, left_s: int) -> None:
        """Another minute has passed."""
        self._told(self._voice.reminded, words.still_waiting(request.id, left_s))

    def escalated(self, request: ApprovalRequest, groups: Sequence[str]) -> None:
        """These were asked, too."""
        self._told(self._voice.waiting, words.escalated(request.id, groups))

    def approved(self, request: ApprovalRequest) -> None:
        """By whom."""
        persons = list(dict.fromkeys(vote.person for vote in request.approving))
        self._told(self._voice.approved, words.approved(request.id, persons))

    def _told(self, tell: Callable[[tuple[str, ...]], None], lines: tuple[str, ...]) -> None:
        if self.departed.done():
            return
        try:
            tell(lines)
        except Exception as error:  # noqa: BLE001 - the gate must go on: it has the request to close
            self._on_fault(error)
            self.leave(Departure.ENDED)


class Holds:
    """All that waits in one session."""

    def __init__(self) -> None:
        self._open: set[Held] = set()
        self._left: Departure | None = None

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, held: Held) -> None:
        """One more; where everybody has left, it is not wanted either."""
        self._open.add(held)
        held.afterwards(lambda: self._open.discard(held))
        if self._left is not None:
            held.leave(self._left)

    def leave(self, why: Departure) -> None:
        """All of them are not wanted any more, and none is from now on."""
        self._left = self._left or why
        for held in list(self._open):
            held.leave(why)


def departure_of(reason: str) -> Departure:
    """Why a session ends, as a reason to withdraw what it asked for: the words of both are the same."""
    return Departure(reason) if reason in set(Departure) else Departure.ENDED


def attend(held: Held, end: ClientEnd) -> Held:
    """Withdraw it when the client closes its channel, stops what it thinks runs, or presses Ctrl-C.

    What else it types waits for what is to run, and so does a client without a terminal.
    """

    def signalled(name: str) -> None:
        if name in _STOPPING:
            held.leave(Departure.CANCELLED)

    def typed(data: bytes) -> None:
        if any(key in data for key in _LEAVES):
            held.leave(Departure.CANCELLED)

    before, end.on_signal = end.on_signal, signalled
    if end.terminal is not None:
        end.watch(typed)

    def restored() -> None:
        end.on_signal = before
        end.watch(None)

    held.afterwards(restored)
    held.afterwards(end.when_left(lambda: held.leave(Departure.CLIENT_LEFT)))
    return held
