"""The pipeline every action passes: judge → ask a person → judge again → record → fsync → permit.

Read it top to bottom; there is no plug-in order. This is the only file that makes a `Permit`.
Any exception on the way is a refusal, and the journal's failures are told in its own words.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from gatekeep import messages
from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.asking import ASKED, Asker, Given
from gatekeep.gate.command_evidence import command_payload
from gatekeep.gate.command_words import refusal_lines
from gatekeep.gate.evidence import (
    NOTHING,
    EvidenceWriter,
    Waited,
    outcome_counters,
    outcome_payload,
)
from gatekeep.gate.fitness import PLAIN_CLASSES, PROVEN
from gatekeep.gate.held_words import lines_of
from gatekeep.gate.hold_ports import MakeHold
from gatekeep.gate.holding import Holding
from gatekeep.gate.judgements import rule_words
from gatekeep.gate.noticing import Noticing
from gatekeep.gate.objecting import Objections
from gatekeep.gate.permit import CommandRefusal, EarlyPermit, Permit, Refusal
from gatekeep.gate.ports import Journal, Judgement, PendingReceipt, PolicyDesk
from gatekeep.gate.supervision import LiveSession
from gatekeep.gate.tally import Tally
from gatekeep.messages import Place
from gatekeep.messages import ssh as ssh_words

_log = structlog.get_logger(__name__)

Answer = Permit | EarlyPermit | Refusal


class _Ruled(NamedTuple):
    """One action with what was decided; `refusal` is None when it may run.

    `asked`: it may by an approval alone.
    """

    action: SqlAction
    judgement: Judgement
    refusal: Refusal | None
    cause: bytes
    asked: bool = False


class Clearance:
    """The gate itself. `on_unrecordable(incident, error)` hears of every failure to record.

    Without `holding` nobody can be asked, and what policy asks about is refused. `noticing` makes
    the notices of rules with `@notify`.
    """

    def __init__(
        self,
        journal: Journal,
        policy: PolicyDesk,
        *,
        on_unrecordable: Callable[[str, BaseException], None],
        holding: Holding | None = None,
    ) -> None:
        self._journal = journal
        self._policy = policy
        self._evidence = EvidenceWriter()
        self._objections = Objections(policy)
        self.noticing = Noticing()
        self._asker = Asker(journal, policy, self._evidence, holding, self.noticing)
        self._on_unrecordable = on_unrecordable
        self.tally = Tally()

    async def clear(  # noqa: PLR0913 - the segment, what is known of it, and how it may wait
        self,
        live: LiveSession,
        session_fragment: bytes,
        actions: Sequence[SqlAction],
        *,
        vector_known: bool = True,
        overlap: bool = False,
        around: tuple[int, int] = (0, 0),
        hold: MakeHold | None = None,
    ) -> list[Answer]:
        """Judge and record one segment; one answer an action, in order.

        Nothing of the segment may be forwarded before this returns. After the first refusal
        the rest is refused as well: the target would skip it anyway. The answers end with a
        permit for what may change how the rest is read: that has to be read and judged anew once
        it has run. `vector_known` is false in a failed transaction whose session vector could not
        be read again. With `overlap` (the target says that its transactions are read-only) what is
        proven to read only gets its permit before the fsync, in a session that policy lets only
        read. `around` counts what stands before and behind in the same pipeline. What policy asks
        about waits here for a person, where the proxy offers a `hold`.
        """
        ruled: list[_Ruled] = []
        recorded: list[PendingReceipt] = []
        given: Given | None = None
        judge = partial(self._judge, live, actions, around, vector_known=vector_known)
        try:
            ruled = judge()
            if hold is not None and (first := self._asker.first(ruled)) is not None:
                given = await self._asker.segment(live, session_fragment, actions, first, hold())
                ruled = judge(given=given)
                if given.approval is not None and self._asker.first(ruled) is not None:
                    given = await self._asker.void(given)
                    ruled = judge(given=given)
            waited = given.waited if given is not None else NOTHING
            self._count(live, ruled)
            for one in ruled:
                recorded.append(self._record(live, session_fragment, one, waited))  # noqa: PERF401 - what was appended before a failure must be known
            if overlap and given is None and _only_reads(live, ruled):
                return [EarlyPermit(pending) for pending in recorded]
            receipts = [await pending.durable() for pending in recorded]
            if given is not None:
                asked = [(a.action, b.n) for a, b in zip(ruled, recorded, strict=True) if a.asked]
                self._asker.released(live, given, asked)
            for one, pending in zip(ruled, recorded, strict=True):
                if (rules := one.judgement.decision).notify:
                    self.noticing.ruled(live.session, one.action, rules, pending.n, passed=not one.refusal)
        except asyncio.CancelledError:
            self._give_up(live, ruled, recorded)
            raise
        except Exception as error:  # noqa: BLE001 - fail closed: whatever went wrong is a refusal
            refusal = Refusal(messages.cannot_record(self._incident(error)))
            self._give_up(live, ruled, recorded)
            self.tally.unrecorded += len(actions)
            return [refusal] * len(actions)
        return [
            Permit(receipt, vector_safe=one.action.vector_safe)
            if one.refusal is None
            else one.refusal
            for receipt, one in zip(receipts, ruled, strict=True)
        ]

    async def clear_command(
        self,
        live: LiveSession,
        session_fragment: bytes,
        action: SshAction,
        hold: MakeHold | None = None,
    ) -> Permit | CommandRefusal:
        """Judge and record one action over SSH; nothing of it may be forwarded before.

        Never raises but for cancellation: whatever goes wrong is a refusal. What policy asks about
        waits here for a person, where the proxy offers a `hold`.
        """
        try:
            judgement = self._policy.judge_command(live.session, action)
            given: Given | None = None
            if judgement.decision.verdict is Verdict.ASK and hold is not None:
                given = await self._asker.command(
                    live, session_fragment, action, judgement, hold()
                )
                judgement = given.judged(self._policy, live.session, action, judgement)
            refusal = self._command_refusal(live, action, judgement, given)
            cause = refusal.cause.encode() if refusal is not None else b""
            waited = given.waited if given is not None else NOTHING
            pending = self._journal.append(
                live.events,
                EventKind.ACTION_RELEASED if refusal is None else EventKind.ACTION_REFUSED,
                command_payload(action, judgement, session_fragment, cause=cause, waited=waited),
                decision=judgement.envelope_json,
            )
            receipt = await pending.durable()
        except Exception as error:  # noqa: BLE001 - fail closed: whatever went wrong is a refusal
            self.tally.unrecorded += 1
            return CommandRefusal(ssh_words.cannot_record(self._incident(error)), "journal")
        live.statements += 1
        if (ruling := judgement.decision).notify:
            self.noticing.ruled(live.session, action, ruling, receipt.n, passed=refusal is None)
        if refusal is not None:
            live.refusals += 1
            return refusal
        self.tally.allowed += 1
        if given is not None:
            self._asker.released(live, given, [(action, receipt.n)])
        return Permit(receipt, vector_safe=True)

    def _command_refusal(
        self, live: LiveSession, action: SshAction, judgement: Judgement, given: Given | None
    ) -> CommandRefusal | None:
        decision = judgement.decision
        if decision.verdict is Verdict.ALLOW:
            return None
        words = rule_words(decision, live.session.code)
        if decision.verdict is Verdict.ASK:
            self.tally.asked += 1
            return CommandRefusal(
                lines_of(given.not_released if given else None, words), "approval"
            )
        self.tally.denied += 1
        return CommandRefusal(refusal_lines(action, live.session.target.name, words), "policy")

    def _judge(
        self,
        live: LiveSession,
        actions: Sequence[SqlAction],
        around: tuple[int, int],
        *,
        vector_known: bool,
        given: Given | None = None,
    ) -> list[_Ruled]:
        """What is to become of each action that can be judged now; nothing is written yet.

        `given` is what came of asking a person.
        """
        before, behind = around
        ruled: list[_Ruled] = []
        stopped: Refusal | None = None
        for at, action in enumerate(actions):
            judgement = self._policy.judge(live.session, action)
            asked = False
            if given is not None and judgement.decision.verdict is Verdict.ASK:
                judgement = given.judged(self._policy, live.session, action, judgement, at)
                asked = judgement.decision.verdict is Verdict.ALLOW
            if stopped is not None:
                ruled.append(_Ruled(action, judgement, stopped, b"skipped"))
                continue
            if vector_known and _passes(live, action, judgement):
                objection = None
            else:
                place = Place(before + at + 1, before + len(actions) + behind, pipeline=True)
                objection = self._objections.against(
                    live, action, judgement, place, vector_known=vector_known, given=given
                )
            if objection is None:
                ruled.append(_Ruled(action, judgement, None, b"", asked))
                if not (vector_known and action.vector_safe):
                    break
                continue
            stopped = Refusal(objection.message)
            ruled.append(_Ruled(action, judgement, stopped, objection.cause))
        return ruled

    def _count(self, live: LiveSession, ruled: Sequence[_Ruled]) -> None:
        """Keep the tallies of what was ruled for good."""
        live.statements += len(ruled)
        for one in ruled:
            if one.refusal is None:
                self.tally.allowed += 1
            elif one.cause != b"skipped":
                live.refusals += 1
                if one.cause == ASKED:
                    self.tally.asked += 1
                elif one.cause == b"policy":
                    self.tally.denied += 1

    def settle(
        self,
        live: LiveSession,
        permit: Permit | EarlyPermit,
        outcome: Outcome,
        duration_us: int = 0,
        details: bytes = b"",
    ) -> None:
        """Record what became of a forwarded action; it joins the next group commit.

        `duration_us` is the time from forwarding to the end, `details` a JSON object. Raises
        JournalUnavailable when it cannot: the session must end.
        """
        of = permit.n
        self._journal.append(
            live.events,
            EventKind.ACTION_FINISHED,
            outcome_payload(of, outcome, duration_us, details),
            counters=outcome_counters(of, outcome),
        )
        self.tally.finished += 1
        self._asker.finished(of, outcome, duration_us)

    def lost(self, n: int) -> None:
        """Nobody will learn how the action of this index ended."""
        self._asker.finished(n, Outcome(OutcomeKind.UNKNOWN), 0)

    def _record(
        self, live: LiveSession, fragment: bytes, one: _Ruled, waited: Waited
    ) -> PendingReceipt:
        """Its event; what was waited for is named by what it releases and refuses, not by the rest."""
        waited = waited if one.asked or one.refusal is not None else NOTHING
        kind = EventKind.ACTION_RELEASED if one.refusal is None else EventKind.ACTION_REFUSED
        return self._journal.append(
            live.events,
            kind,
            self._evidence.action(
                one.action, one.judgement, fragment, cause=one.cause, waited=waited
            ),
            decision=one.judgement.envelope_json,
        )

    def _give_up(
        self, live: LiveSession, ruled: Sequence[_Ruled], recorded: Sequence[PendingReceipt]
    ) -> None:
        """Say of what was released and then not forwarded that it never ran, if that can be said."""
        skipped = Outcome(OutcomeKind.SKIPPED)
        for one, pending in zip(ruled, recorded, strict=False):
            if one.refusal is not None:
                continue
            try:
                self._journal.append(
                    live.events,
                    EventKind.ACTION_FINISHED,
                    outcome_payload(pending.n, skipped, 0),
                    counters=outcome_counters(pending.n, skipped),
                )
            except JournalUnavailable:
                return

    def _incident(self, error: BaseException) -> str:
        incident = secrets.token_hex(3).upper()
        _log.error("not recorded, so not forwarded", incident=incident, error=repr(error))
        self._on_unrecordable(incident, error)
        return incident


def _passes(live: LiveSession, action: SqlAction, judgement: Judgement) -> bool:
    """The usual case, told apart quickly: allowed, fit, and nothing special about it."""
    return (
        judgement.decision.verdict is Verdict.ALLOW
        and not live.session.read_only
        and not action.tags
        and action.within(PLAIN_CLASSES)
    )


def _only_reads(live: LiveSession, ruled: Sequence[_Ruled]) -> bool:
    """Whether all of it is proven to read, in a session whose target account may do nothing else.

    Not where a rule wants it told: people are told of nothing whose event is not durable.
    """
    return live.session.read_only and all(
        one.refusal is None
        and one.action.within(PROVEN)
        and one.action.vector_safe
        and not one.action.tags
        and not one.judgement.decision.notify
        for one in ruled
    )
