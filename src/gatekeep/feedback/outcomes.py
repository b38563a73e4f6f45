"""Pairs what was asked with what people answered and with what then went out or did not.

By the id of the request; ids are short and may come again, so a new question ends the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from gatekeep.feedback import pieces
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.reading_deeds import Act, End

_ANSWERS: Final = {
    "approved": Answer.APPROVED, "denied": Answer.DENIED, "expired": Answer.EXPIRED,
    "withdrawn": Answer.WITHDRAWN,
}  # fmt: skip
_OF_BOTH: Final = tuple({one.name for one in fields(Act)} & {one.name for one in fields(Deed)})
"""What a deed has from its act, under the same name."""

_STOPPED: Final = frozenset({"gateway stopped", "the gateway restarted"})
"""Why the gateway withdraws what waits, without anybody's doing."""
_SAID: Final = {Answer.APPROVED: "approve", Answer.DENIED: "deny"}


@dataclass(slots=True)
class _Asked:
    """An action that waits, or has: `end` is the event by which it went out or was refused."""

    act: Act
    end: End | None = None
    over: bool = False


@dataclass(slots=True)
class _Question:
    """One request as far as it is known. Times are microseconds UTC, 0 where not yet."""

    asked_us: int = 0
    risk: str = ""
    reason: str = ""
    answer: Answer = Answer.NONE
    answered_us: int = 0
    why: str = ""
    votes: list[tuple[str, str, int]] = field(default_factory=list)
    asked: list[_Asked] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing can come to it any more."""
        return self.answer is not Answer.NONE and all(one.over for one in self.asked)

    def deeds(self, request_id: str) -> Iterator[Deed]:
        """What it is about, as deeds."""
        said = _SAID.get(self.answer)
        voters = tuple(dict.fromkeys(person for person, word, _ in self.votes if word == said))
        reason = self.why if self.answer is Answer.DENIED else self.reason
        for one in self.asked:
            last = one.end or one.act
            yield deed_of(
                one.act, n=last.n, at_us=last.at_us, cause=last.cause, risk=self.risk,
                answer=self.answer, asked_us=self.asked_us, answered_us=self.answered_us,
                approvers=voters, reason=reason, request_id=request_id,
                adopted=one.act.sample or last.sample,
            )  # fmt: skip


class QuestionBook:
    """Questions that may still change. Finished deeds come out of `take`, in order of coming."""

    def __init__(self) -> None:
        self._open: dict[str, _Question] = {}
        self._of_session: dict[str, dict[str, None]] = {}
        self._done: list[Deed] = []
        self.latencies: dict[str, list[int]] = {}
        """How long each person's yes took after the question, in microseconds."""

    def __len__(self) -> int:
        return len(self._open)

    def take(self) -> list[Deed]:
        """Deeds that nothing will change any more."""
        done, self._done = self._done, []
        return done

    def pending(self) -> Iterator[Deed]:
        """Deeds as they stand, of questions that may still change."""
        for request_id, question in self._open.items():
            yield from question.deeds(request_id)

    def ask(self, act: Act) -> None:
        """`action.requested`."""
        question = self._begun(act.asked_as)
        question.asked_us = question.asked_us or act.at_us
        question.asked.append(_Asked(act))
        self._of_session.setdefault(act.session, {})[act.asked_as] = None

    def requested(self, request_id: str, at_us: int, payload: Mapping[str, Any]) -> None:
        """`approval.requested`."""
        question = self._begun(request_id)
        question.asked_us = at_us
        question.risk = pieces.text(payload, "risk")
        question.reason = pieces.text(payload, "reason")

    def voted(self, request_id: str, at_us: int, payload: Mapping[str, Any]) -> None:
        """`approval.voted`."""
        question = self._open.get(request_id)
        if question is None or question.answer is not Answer.NONE:
            return
        person = pieces.text(payload, "person") or pieces.text(payload, "voter")
        word = pieces.text(payload, "verdict")
        if person and (person, word) not in {(one, said) for one, said, _ in question.votes}:
            question.votes.append((person, word, at_us))
            if word == "approve" and question.asked_us:
                took = max(0, at_us - question.asked_us)
                self.latencies.setdefault(person, []).append(took)

    def ended(self, request_id: str, at_us: int, payload: Mapping[str, Any], word: str) -> None:
        """The event by which a request was decided, expired or was withdrawn.

        `word` is what its kind says where the payload does not.
        """
        question = self._open.get(request_id)
        if question is None or question.answer is not Answer.NONE:
            return  # events may be there twice after a crash
        answer = _ANSWERS.get(pieces.text(payload, "outcome") or word)
        if answer is None:
            return
        question.why = pieces.text(payload, "reason")
        if answer is Answer.WITHDRAWN and question.why in _STOPPED:
            answer = Answer.EXPIRED  # nobody stepped back from it
        question.answer, question.answered_us = answer, at_us
        self._finish(request_id, question)

    def acted(self, end: End) -> bool:
        """An action that names a request went out or was refused; whether it was known to wait."""
        question = self._open.get(end.request_id)
        if question is None:
            return False
        for one in question.asked:
            if not one.over and one.act.session == end.session and one.act.text == end.text:
                one.end, one.over = end, True
                self._finish(end.request_id, question)
                return True
        return False

    def left(self, session: str) -> None:
        """A session ended: nothing that it asked goes out any more."""
        for request_id in self._of_session.pop(session, ()):
            question = self._open.get(request_id)
            if question is not None:
                for one in question.asked:
                    one.over = one.over or one.act.session == session
                self._finish(request_id, question)

    def _begun(self, request_id: str) -> _Question:
        """The open question of this id; one that was answered makes room for it."""
        question = self._open.get(request_id)
        if question is not None and question.answer is not Answer.NONE:
            self._drop(request_id, question)
            question = None
        if question is None:
            question = self._open[request_id] = _Question()
        return question

    def _finish(self, request_id: str, question: _Question) -> None:
        if question.over:
            self._drop(request_id, question)

    def _drop(self, request_id: str, question: _Question) -> None:
        self._done += question.deeds(request_id)
        self._open.pop(request_id, None)
        for one in question.asked:
            held = self._of_session.get(one.act.session)
            if held is not None:
                held.pop(request_id, None)
                if not held:
                    del self._of_session[one.act.session]


def deed_of(act: Act, **known: Any) -> Deed:
    """A deed of this act; `known` are the members that the act does not say."""
    facts: dict[str, Any] = {name: getattr(act, name) for name in _OF_BOTH}
    return Deed(**(facts | known))
