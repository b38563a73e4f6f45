"""Mail: whoever is asked gets one for each request, and the verdict under it. Nobody decides by mail.

Hears the desk and never keeps it waiting; what says nothing new any more is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final, Protocol

from gatekeep.domain.approvals import ApprovalRequest, RequestKind, VoteVerdict
from gatekeep.domain.grants import Grant
from gatekeep.domain.identity import Mailbox
from gatekeep.gate.approval_ports import Approvals
from gatekeep.messages import mail as words
from gatekeep.notify.mail_letters import Letter, message_of
from gatekeep.notify.outbound import (
    AFTER_S,
    DEFAULT_PACE,
    SENT,
    Outbound,
    Pace,
    Tried,
    life_s,
)
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

_ASKS: Final = frozenset({"requested", "escalated"})
_ENDS: Final = frozenset({"decided", "expired", "withdrawn"})
_LAST_WORDS_S: Final = 1.5


class Post(Protocol):
    """Hands mails in; `smtp.Smtp` is one."""

    async def send(self, message: EmailMessage, sender: str, to: str) -> Tried:
        """Hand one in."""


class Mailboxes(Protocol):
    """Where persons read mail."""

    def of(self, persons: Collection[str]) -> Sequence[Mailbox]:
        """Those of these persons, by address."""

    def all(self) -> Sequence[Mailbox]:
        """Everybody's, by address."""


@dataclass(frozen=True, slots=True)
class MailNeeds:
    """What mail works with.

    `withheld` says of a target that what runs there is shown in no mail; `link_to` gives the page
    of a request. `sender` is the address that mails come from.
    """

    approvals: Approvals
    boxes: Mailboxes
    post: Post
    sender: str
    withheld: Callable[[str], bool]
    link_to: Callable[[str], str]
    clock: Clock
    now_us: Callable[[], int]
    pace: Pace = DEFAULT_PACE


@dataclass(slots=True)
class _Thread:
    """What was mailed of one request: by address, and whether it went out."""

    subject: str
    asked: dict[str, Mailbox] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    over: bool = False


class Mail:
    """One sender. It listens to the desk from its making on."""

    def __init__(self, needs: MailNeeds) -> None:
        self._needs = needs
        self._owner = TaskOwner("mail")
        self.lane = Outbound("mail", self._owner, needs.clock, needs.pace)
        self._threads: dict[str, _Thread] = {}
        needs.approvals.listen(self.heard)
        needs.approvals.listen_glass(self.heard_glass)

    def heard(self, what: str, request: ApprovalRequest) -> None:
        """A change is durable."""
        if what in _ASKS:
            self._ask(request)
        elif what in _ENDS:
            self._tell_the_end(request)

    def heard_glass(self, grant: Grant, reason: str) -> None:
        """Somebody took leave without being asked: everybody is told."""
        subject = words.glass_subject(grant.principal, grant.target)
        for box in self._needs.boxes.all():
            until = words.moment(grant.ends_us, box.zone)
            text = words.glass(grant.principal, grant.target, grant.account, reason, until)
            letter = Letter(self._needs.sender, box.address, subject, text, f"glass {grant.id}")
            self.lane.put(
                f"breakglass {grant.id}", lambda letter=letter: self._send(letter), lasts_s=AFTER_S  # type: ignore[misc]  # mypy does not infer defaults
            )

    async def close(self) -> None:
        """Try what was not tried yet, for a moment; then end."""
        await self.lane.flushed(_LAST_WORDS_S)
        await self._owner.close()

    def _ask(self, request: ApprovalRequest) -> None:
        needs = self._needs
        asked = self._asked(request)
        thread = self._threads.setdefault(request.id, _Thread(words.subject(asked)))
        lasts_s = life_s(request.open_until_us, needs.now_us())
        for box in needs.boxes.of(needs.approvals.asked_now(request)):
            if box.address in thread.asked:
                continue
            thread.asked[box.address] = box
            letter = Letter(
                needs.sender, box.address, thread.subject, words.waiting(asked, box.zone),
                _about(request),
            )  # fmt: skip
            self.lane.put(
                f"requested {request.id}",
                lambda letter=letter: self._send_question(thread, letter),  # type: ignore[misc]  # mypy does not infer defaults
                lasts_s=lasts_s,
            )

    def _tell_the_end(self, request: ApprovalRequest) -> None:
        needs = self._needs
        thread = self._threads.pop(request.id, None) or self._thread_before(request)
        thread.over = True
        lasts_s = life_s(request.open_until_us, needs.now_us())
        for box in thread.asked.values():
            letter = Letter(
                needs.sender, box.address, thread.subject, self._verdict(request, box),
                _about(request), answer=request.state.value,
            )  # fmt: skip
            self.lane.put(
                f"{request.state.value} {request.id}",
                lambda letter=letter: self._send_answer(thread, letter),  # type: ignore[misc]  # mypy does not infer defaults
                lasts_s=lasts_s,
            )
        if not request.place.session:
            self._tell_the_requester(request, lasts_s)

    def _tell_the_requester(self, request: ApprovalRequest, lasts_s: float) -> None:
        """Who asked ahead of time waits at no terminal."""
        needs, state = self._needs, request.state.value
        verb, target = request.subject.verb, request.place.target
        subject = words.verdict_subject(request.id, state, verb, target)
        for box in needs.boxes.of((request.place.person,)):
            about = f"verdict of {_about(request)}"
            letter = Letter(
                needs.sender, box.address, subject, self._verdict(request, box), about
            )
            self.lane.put(
                f"{state} {request.id}", lambda letter=letter: self._send(letter), lasts_s=lasts_s  # type: ignore[misc]  # mypy does not infer defaults
            )

    def _thread_before(self, request: ApprovalRequest) -> _Thread:
        """A request of before a restart: most likely these were asked, and it went out."""
        boxes = self._needs.boxes.of(self._needs.approvals.asked_now(request))
        asked = {box.address: box for box in boxes}
        return _Thread(words.subject(self._asked(request)), asked, set(asked))

    def _asked(self, request: ApprovalRequest) -> words.Asked:
        place, about, why = request.place, request.subject, request.why
        return words.Asked(
            request.id, place.principal, about.verb, place.target, place.account, about.text,
            request.reason, why.rule, why.reason, why.risk, why.approvers,
            self._needs.approvals.deciders(request), request.open_until_us,
            self._needs.link_to(request.id), redacted=about.redacted,
            withheld=self._needs.withheld(place.target), access=about.kind is RequestKind.ACCESS,
        )  # fmt: skip

    def _verdict(self, request: ApprovalRequest, box: Mailbox) -> str:
        state = request.state.value
        wanted = VoteVerdict.DENY if state == "denied" else VoteVerdict.APPROVE
        by = [vote.person for vote in request.votes if vote.verdict is wanted]
        at = words.moment(request.decided_us, box.zone)
        link = self._needs.link_to(request.id)
        return words.verdict(request.id, state, by, request.decision_reason, at, link)

    async def _send_question(self, thread: _Thread, letter: Letter) -> Tried:
        if thread.over:
            return SENT
        tried = await self._send(letter)
        if not tried.fault:
            thread.sent.add(letter.to)
        return tried

    async def _send_answer(self, thread: _Thread, letter: Letter) -> Tried:
        """Only to whom the question went out."""
        return await self._send(letter) if letter.to in thread.sent else SENT

    async def _send(self, letter: Letter) -> Tried:
        message = message_of(letter, self._needs.clock.wall_us())
        return await self._needs.post.send(message, letter.sender, letter.to)


def _about(request: ApprovalRequest) -> str:
    """What a thread is about: ids may be used again by another gateway of the same sender."""
    return f"{request.id} {request.created_us}"
