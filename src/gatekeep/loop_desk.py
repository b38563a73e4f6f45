"""The desk of suggestions: what people may do with them. Implements feedback.ports.Suggestions.

Part of the composition root. Whether a principal may do so at all is asked of the policy by the
face; who may accept this very one is `feedback.life`'s table, and `loop_book` makes it count.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from gatekeep import loop_told
from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.suggestions import (
    DAY_US,
    MUTED_DAYS,
    Acceptance,
    Backtest,
    Sample,
    SampleAnswer,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.errors import GatekeepError, NotPermitted
from gatekeep.feedback import life as lives
from gatekeep.feedback.life import Change, Observation, advance
from gatekeep.feedback.ports import CameTo, RunReport, Terms, Wish
from gatekeep.feedback.seen import is_seen
from gatekeep.gate.holding import sample_of
from gatekeep.loop_book import LoopBook
from gatekeep.loop_round import LoopRound
from gatekeep.messages.suggestions import state_plain
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_REFUSALS: Final = {
    "mfa": "What lets more pass takes a second factor. Nothing changed.",
    "self": "You have more of these in the evidence than anybody, so others must decide. Nothing changed.",
    "twice": "You have said so already; another person is needed.",
    "rights": "A machine decides nothing here. Nothing changed.",
    "reason": "Say why, in a few words. Nothing changed.",
    "digest": "It is not any more what you were shown. Look again. Nothing changed.",
}

_NOT_NARROWED: Final = "Its narrower form does not pass every check now. Nothing changed."


class LoopDesk:
    """All suggestions of one gateway, as its doors see them."""

    def __init__(self, book: LoopBook, loop_round: LoopRound, owner: TaskOwner) -> None:
        self._book = book
        self._round = loop_round
        self._owner = owner

    # reading

    async def suggestions(
        self, states: Sequence[SuggestionState] = ()
    ) -> Sequence[SuggestionLife]:
        """All, or those in these states: the most saving first, what is over last."""
        wanted = [one for one in self._book.lives.values() if not states or one.state in states]
        return sorted(
            wanted,
            key=lambda one: (
                one.state.over, -one.suggestion.saves_per_week, -one.suggestion.score, one.suggestion.id
            ),
        )  # fmt: skip

    async def suggestion(self, suggestion_id: str) -> SuggestionLife:
        """One of them, by its id or a unique beginning of it. Raises KeyError."""
        return self._named(suggestion_id)

    def _named(self, suggestion_id: str) -> SuggestionLife:
        wanted = suggestion_id.strip().lower().removeprefix("s-")
        found = [
            life for name, life in self._book.lives.items()
            if wanted and name.lower().removeprefix("s-").startswith(wanted)
        ]  # fmt: skip
        exact = [life for life in found if life.suggestion.id.lower().removeprefix("s-") == wanted]
        if len(exact or found) != 1:
            raise KeyError(suggestion_id)
        return (exact or found)[0]

    def needed(self, life: SuggestionLife) -> int:
        """How many persons have to accept it."""
        return lives.needed(life.suggestion, self._book.limits)

    def terms(self) -> Terms:
        """What the settings say of its life."""
        limits = self._book.limits
        return Terms(
            limits.shadow_us // DAY_US, limits.shadow_hits, limits.canary_us // DAY_US,
            limits.verify_us // DAY_US, limits.expires_us // DAY_US,
        )  # fmt: skip

    async def samples(self, *, unanswered: bool = True) -> Sequence[Sample]:
        """What is to be looked at afterwards, oldest first."""
        kept = self._book.samples.values()
        wanted = [one for one in kept if one.answer is None or not unanswered]
        return sorted(wanted, key=lambda one: one.at_us)

    # what people do

    async def accept(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        """Say yes. The last needed yes puts it into shadow (or into force, where nothing is tried)."""
        return await self._whole(self._accept(suggestion_id, who, wish))

    async def _accept(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        shown, narrow = self._named(suggestion_id), None
        if wish.narrower and not _misses(shown, who, wish):
            narrow = await self._narrowed(shown)  # before its turn: to prove it may take a while
        async with self._book.turn:
            life = self._named(suggestion_id)
            refusal = _misses(life, who, wish)
            if refusal:
                return _refused(life, refusal)
            if wish.narrower and life.suggestion.narrower:
                if narrow is None or life.suggestion is not shown.suggestion:
                    return CameTo(life, counted=False, words=_NOT_NARROWED, refusal="state")
                life = replace(life, suggestion=narrow, accepted_by=())
            made = lives.accept(life, self._yes(who, wish), self._book.limits)
            if isinstance(made, str):
                return _refused(life, made)
            after = await self._book.make(made, facts={"door": wish.via})
            if not made.missing:
                after = await self._round.settle(after)
        return CameTo(after, counted=True, words=_accepted(after, made))

    async def _narrowed(self, life: SuggestionLife) -> Suggestion | None:
        """Its narrower form in place of the proposed one, proven like that one."""
        suggestion = life.suggestion
        if not suggestion.narrower:
            return None
        narrow = replace(suggestion, rule=suggestion.narrower, narrower="")
        narrow = await self._round.proven(narrow)
        return narrow if narrow.safe else None

    async def dismiss(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        """Say no: it stays away until its evidence has doubled."""
        return await self._change(
            suggestion_id,
            wish,
            lambda life, now: lives.dismiss(life, who.name, wish.reason, now),
            "is dismissed. It comes back when its evidence has doubled.",
            who=who,
        )

    async def snooze(
        self, suggestion_id: str, who: Principal, wish: Wish, until_us: int
    ) -> CameTo:
        """Not now."""
        return await self._change(
            suggestion_id,
            wish,
            lambda life, now: lives.snooze(life, who.name, wish.reason, until_us, now),
            "is put off.",
            who=who,
            unfit="it can be put off for 90 days at most",
        )

    async def take_back(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        """Return to the previous version, by one person, or two where that lets more pass."""
        return await self._change(
            suggestion_id,
            wish,
            lambda life, _now: lives.take_back(life, self._yes(who, wish), self._book.limits),
            "is taken back.",
            who=who,
            unfit="there is nothing to take back; gatekeep suggest dismiss says no to it",
        )

    async def _change(
        self,
        suggestion_id: str,
        wish: Wish,
        change: Callable[[SuggestionLife, int], Change | str],
        words: str,
        *,
        who: Principal,
        unfit: str = "",
    ) -> CameTo:
        async def whole() -> CameTo:
            async with self._book.turn:
                life = self._named(suggestion_id)
                if who.owner:
                    return _refused(life, "rights")
                made = change(life, self._book.now_us())
                if isinstance(made, str):
                    return _refused(life, made, unfit)
                after = await self._book.make(made, facts={"door": wish.via})
            if made.missing:
                return CameTo(after, counted=True, words=_more(after, made.missing))
            return CameTo(after, counted=True, words=f"{after.suggestion.id} {words}")

        return await self._whole(whole())

    async def _whole(self, work: Coroutine[Any, Any, CameTo]) -> CameTo:
        """Brought to its end, also where the caller leaves."""
        return await self._book.record.to_its_end(work, name="suggestion")

    def _yes(self, who: Principal, wish: Wish) -> Acceptance:
        return Acceptance(
            who.name, who.person, self._book.now_us(), wish.reason, wish.via, wish.mfa
        )

    # samples

    def looked_at_later(self, rule_id: str, n: int, session: Session, text: str) -> None:
        """The gate let something pass that is to be looked at; called in the middle of its work."""
        life = self._book.by_rule(rule_id)
        if life is None:
            return
        who = session.principal
        sample = Sample(
            f"M-{n}", life.suggestion.id, n, self._book.now_us(), who.name, who.owner or who.person,
            session.target.name, text, groups=self._looking(life),
        )  # fmt: skip
        self._owner.spawn(self._keep(sample, rule_id), name="sample")

    def _looking(self, life: SuggestionLife) -> tuple[str, ...]:
        """Whose eye it needs: the groups that its source rules ask."""
        rules = (self._book.version.rule(one.id) for one in life.suggestion.sources)
        return tuple(
            sorted({group.split(":")[0] for one in rules if one for group in one.approvers})
        )

    async def _keep(self, sample: Sample, rule_id: str) -> None:
        async with self._book.turn:
            await self._book.keep(sample, rule_id)

    async def answer(
        self, sample_id: str, who: Principal, answer: SampleAnswer, wish: Wish
    ) -> Sample:
        """Say whether it was right. Raises KeyError; NotPermitted for one's own deed."""

        async def whole() -> Sample:
            async with self._book.turn:
                return await self._answered(sample_id, who, answer, wish)

        return await self._book.record.to_its_end(whole(), name="answer")

    async def _answered(
        self, sample_id: str, who: Principal, answer: SampleAnswer, wish: Wish
    ) -> Sample:
        sample = self._book.samples[sample_id.strip().upper()]
        if who.owner or who.person == sample.person or who.name == sample.principal:
            raise NotPermitted("Nobody looks at his own deed, and no machine does.")
        if answer is SampleAnswer.WRONG and not wish.reason.strip():
            raise NotPermitted(_REFUSALS["reason"])
        if sample.answer is not None:
            return sample
        said = replace(
            sample, answer=answer, answered_by=who.name, answered_us=self._book.now_us(),
            reason=wish.reason,
        )  # fmt: skip
        life = self._book.lives.get(sample.suggestion)
        rule = life.suggestion.rule_id if life is not None else ""
        told = loop_told.answered(said, rule)
        wrong = answer is SampleAnswer.WRONG
        why = f"{who.name} said that it was wrong (event {sample.n}): {wish.reason}"
        try:
            kept = await self._book.record.change(
                lambda store: store.answer_sample(said, told), takes=wrong
            )
        except Exception:
            self._book.fell_behind()
            if wrong and life is not None:
                await self._against(life, why)
            raise
        if kept:
            self._book.samples[sample.id] = said
        if kept and wrong and life is not None:
            await self._against(life, why)
        return self._book.samples[sample.id]

    def on_request(self, what: str, request: ApprovalRequest) -> None:
        """Hears of every request: where a held sample is denied, its rule goes at once."""
        rule = sample_of(request)
        if what == "decided" and request.state is RequestState.DENIED and rule:
            self._owner.spawn(self._denied(rule, request), name="denied sample")

    async def _denied(self, rule: str, request: ApprovalRequest) -> None:
        async with self._book.turn:
            life = self._book.by_rule(rule)
            if life is not None:
                why = f"{request.decided_by} denied a sample of it ({request.id})"
                await self._against(life, why)

    async def _against(self, life: SuggestionLife, why: str) -> None:
        """Take it back now, if it is a relaxation that was adopted; `turn` is held.

        And whatever lets the same pass: its renewal, or what it is the renewal of.
        """
        if life.suggestion.kind is not SuggestionKind.RELAX:
            return
        failed: GatekeepError | None = None
        for one in (life, *self._book.same_as(life)):
            back = advance(one, Observation(against=why), self._book.now_us(), self._book.limits)
            try:
                if back is not None:
                    await self._book.make(back)
            except GatekeepError as error:
                _log.error("a rule is held back and could not be taken out", error=error.public)
                failed = error
        if failed is not None:
            raise failed

    # the run

    async def backtest(self, suggestion_id: str) -> Backtest:
        """Replay history again, now."""
        return await self._round.backtest(self._named(suggestion_id).suggestion)

    async def run(self) -> RunReport:
        """Read what is new, look for suggestions, check on the adopted ones."""
        return await self._round.run()


def _misses(life: SuggestionLife, who: Principal, wish: Wish) -> str:
    """Why this yes cannot count, whatever state it is in; empty if that is not so."""
    if who.owner:
        return "rights"
    return "digest" if wish.seen and not is_seen(life.suggestion, wish.seen) else ""


def _refused(life: SuggestionLife, refusal: str, unfit: str = "") -> CameTo:
    words = _REFUSALS.get(refusal) or _stands(life, unfit)
    return CameTo(life, counted=False, words=words, refusal=refusal)


def _stands(life: SuggestionLife, unfit: str) -> str:
    """Where it stands, so that this cannot be done with it, and what can."""
    said = f"{life.suggestion.id} is {state_plain(life.state.value)}"
    if life.state in {SuggestionState.PROPOSED, SuggestionState.SNOOZED}:
        return f"{said}: {unfit or 'not every check of it passes'}. Nothing changed."
    if life.state.over:
        by = f" by {life.decided_by}" if life.decided_by else ""
        return f"{said} already{by}. Nothing changed."
    return f"{said}: it was accepted before, and can only be taken back. Nothing changed."


def _more(life: SuggestionLife, missing: int) -> str:
    persons = "one more person" if missing == 1 else f"{missing} more persons"
    return f"Counted. {life.suggestion.id} needs {persons}."


def _accepted(life: SuggestionLife, made: Change) -> str:
    name = life.suggestion.id
    if made.missing:
        return _more(life, made.missing)
    return {
        SuggestionState.SHADOW: f"{name} is accepted and is tried from now on; nothing passes by it yet.",
        SuggestionState.CANARY: f"{name} is accepted and in force.",
        SuggestionState.ACTIVE: f"{name} is accepted: its rule is told of once a week from now on, for {MUTED_DAYS} days.",
        SuggestionState.REVERTED: f"{name} was accepted and does not fit the policy: {life.reason}",
    }.get(life.state, f"{name} is accepted.")
