"""Leave by adopted rules: what waits may pass unasked, but for the samples that people look at.

It is decided and released in one go: nothing waits in between, so nothing can change. Which rules
there are is policy's affair, and which matches are samples the book's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatekeep.domain.approvals import Approval
from gatekeep.domain.commands import SshAction
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.gate.hold_ports import Hold
from gatekeep.gate.ports import Leave, PolicyDesk
from gatekeep.gate.sampling_ports import Draw, DrawKind, SampleBook
from gatekeep.gate.subjects import Action

Allowed = Callable[[Approval], bool]
"""Whether policy lets all that waits go out by this approval."""


@dataclass(frozen=True, slots=True)
class Match:
    """Rules give leave for all that waits; `draws` say, one for each action, what becomes of that."""

    approval: Approval
    draws: tuple[Draw, ...]

    @property
    def held(self) -> Draw | None:
        """The draw by which people are asked all the same; None if it passes."""
        return next((one for one in self.draws if one.kind is DrawKind.HELD), None)


class Adopted:
    """Asks the standing rules. Without a book of samples nothing ever matches."""

    def __init__(
        self, policy: PolicyDesk, samples: SampleBook | None, now_us: Callable[[], int]
    ) -> None:
        self._policy = policy
        self._samples = samples
        self._now_us = now_us

    def match(
        self, session: Session, actions: Sequence[Action], likenesses: Sequence[Likeness | None],
        allowed: Allowed,
    ) -> Match | None:  # fmt: skip
        """Leave for every action, by one approval that releases all of them; or None."""
        if self._samples is None or not actions or len(likenesses) != len(actions):
            return None
        leaves: list[tuple[Leave, Likeness]] = []
        for action, likeness in zip(actions, likenesses, strict=True):
            leave = self._policy.leave_for(session, action, likeness) if likeness else None
            if likeness is None or leave is None:
                return None
            leaves.append((leave, likeness))
        approval = leaves[0][0].approval
        if not allowed(approval):
            return None
        # By the person who answers for it: another machine of his is no other draw.
        who = session.principal
        now, name = self._now_us(), who.owner or who.person or who.name
        return Match(
            approval,
            tuple(
                self._samples.draw(leave.rules, name, likeness, now) for leave, likeness in leaves
            ),
        )

    def passed(self, session: Session, draw: Draw, action: Action, n: int) -> None:
        """An action that was drawn goes out under this event."""
        if self._samples is not None:
            text = action.command if isinstance(action, SshAction) else action.redacted
            self._samples.passed(draw, n, session, text)

    def answered(self, match: Match | None) -> None:
        """People were asked for the sake of samples, and said yes."""
        if match is not None and self._samples is not None:
            for draw in match.draws:
                self._samples.answered(draw)

    def unanswered(self, draws: Sequence[Draw]) -> None:
        """What was drawn neither went out nor was looked at by anybody: samples among it are owed."""
        if self._samples is not None:
            for draw in draws:
                if draw.kind is not DrawKind.PASS:
                    self._samples.unanswered(draw)


def likenesses_of(hold: Hold, positions: Sequence[int]) -> Sequence[Likeness | None]:
    """None of what nobody wants any more."""
    return () if hold.departed.done() else hold.likenesses(positions)
