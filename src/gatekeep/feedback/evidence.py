"""Gathers evidence: events in order come in, what the loop knows of the past goes out. Pure.

What counts for loosening is `exclusions`; nothing is proposed here, and no file is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind, StoredEvent
from gatekeep.domain.suggestions import DAY_US
from gatekeep.feedback import pieces
from gatekeep.feedback.ages import RuleAges
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.exclusions import YOUNG_US, Knowledge, weighed
from gatekeep.feedback.flood import PASSED_A_DAY, Flood
from gatekeep.feedback.likenesses import Likenesses
from gatekeep.feedback.outcomes import QuestionBook, deed_of
from gatekeep.feedback.passes import Passes, Tally
from gatekeep.feedback.reading_deeds import Act, DeedReader
from gatekeep.policy.lattice import ADOPTED

WANTED: Final = frozenset(
    {
        EventKind.SESSION_OPENED, EventKind.ACTION_REQUESTED, EventKind.ACTION_RELEASED,
        EventKind.ACTION_REFUSED, EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_VOTED,
        EventKind.APPROVAL_DECIDED, EventKind.APPROVAL_EXPIRED, EventKind.APPROVAL_WITHDRAWN,
        EventKind.BREAKGLASS_OPENED, EventKind.REVIEW_CLOSED, EventKind.POLICY_ACTIVATED,
        EventKind.SUGGESTION_ANSWERED,
    }
)  # fmt: skip
"""The kinds whose payload is read. Of all others the envelope says enough."""

_ENDS: Final = {
    EventKind.APPROVAL_DECIDED: "", EventKind.APPROVAL_EXPIRED: "expired",
    EventKind.APPROVAL_WITHDRAWN: "withdrawn",
}  # fmt: skip
_KINDS: Final = {"vote": Answer.APPROVED, ADOPTED: Answer.ADOPTED}
_ASKED: Final = "approval"
"""Why an action was refused that people did not let pass."""

_CALM: Final = frozenset(
    {"ok", "okay", "fine", "right", "good", "justified", "legitimate", "necessary", "needed"}
)
"""A finding that begins so says that all was well; any other tells of an incident."""
_WORD: Final = re.compile(r"\w+")
_YET: Final = frozenset(
    {"although", "but", "except", "however", "mistake", "never", "no", "nobody", "not", "only",
     "though", "unjustified", "until", "without", "wrong", "yet"}
)  # fmt: skip
"""Unless one of these follows."""


class Collector:
    """Feed it every event in order of index; ask it for the evidence at any time.

    The same events give the same evidence, whatever was asked in between. `next_n` is the index of
    the event that comes next, `unknown` how many needed payloads stayed sealed.
    """

    def __init__(self, likenesses: Likenesses | None = None) -> None:
        self.next_n = 0
        self.first_us = 0
        self.last_us = 0
        self.unknown = 0
        self._reader = DeedReader(likenesses)
        self._questions = QuestionBook()
        self._passes = Passes()
        self._ages = RuleAges()
        self._flood = Flood()
        self._passing = Flood(PASSED_A_DAY, 10 * PASSED_A_DAY)
        self._deeds: list[Deed] = []
        self._incidents: dict[int, str] = {}
        self._glass: list[tuple[int, str, str]] = []
        self._of_grant: dict[str, list[int]] = {}
        self._sealed: Counter[tuple[str, int]] = Counter()

    def feed(self, event: StoredEvent) -> None:
        """Take the next event. Its payload may be None where it is not WANTED."""
        envelope = event.envelope
        kind, at_us = pieces.text(envelope, "k"), pieces.number(envelope, "t")
        self.seen(event.n, at_us)
        if kind in (EventKind.ACTION_FINISHED, EventKind.ACTION_UNKNOWN):
            said = pieces.inner(envelope, "r")
            self.finished(pieces.number(said, "of"), pieces.text(said, "outcome"))
        elif kind in (EventKind.SESSION_CLOSED, EventKind.SESSION_ABORTED):
            self._questions.left(pieces.text(envelope, "s"))
            self._deeds += self._questions.take()
        elif kind in WANTED:
            if event.payload is None:
                self._unread(event)
            else:
                self._told(kind, event, event.payload)

    def seen(self, n: int, at_us: int) -> None:
        """An event came, whatever it says."""
        self.next_n = n + 1
        self.first_us = self.first_us or at_us
        self.last_us = at_us

    def finished(self, of: int, outcome: str) -> None:
        """What became of the released action of this index."""
        self._passes.finished(of, outcome)

    def passed_alike(self, event: StoredEvent) -> Tally | None:
        """As `feed` for a released action; what counts its like, where it passed unasked."""
        self.seen(event.n, pieces.number(event.envelope, "t"))
        if event.payload is None:
            self._unread(event)
            return None
        return self._acted(EventKind.ACTION_RELEASED, event, event.payload)

    def passed_again(self, tally: Tally, n: int, at_us: int) -> None:
        """As `feed` for a released action that is known to count here."""
        self.seen(n, at_us)
        self._passes.count(tally, n, at_us)

    def evidence(self, until_us: int, *, verified: bool, young_us: int = YOUNG_US) -> Evidence:
        """All that is known, at the time `until_us`. Rules younger than `young_us` are protected."""
        known = Knowledge(self._questions.latencies, self._ages.since_us, until_us, young_us)
        incidents, pending = self._incidents, list(self._questions.pending())
        deeds = [
            replace(deed, incident=incidents[deed.n]) if deed.n in incidents else deed
            for deed in [*self._deeds, *pending]
        ]
        person_of = self._reader.person_of
        return Evidence(
            deeds=weighed(deeds, known),
            passed=self._passes.passed(),
            rules=self._passes.rules(self._ages.since_us),
            break_glass=[(at, person_of(who), target) for at, who, target in self._glass],
            first_us=self.first_us,
            until_us=until_us,
            next_n=self.next_n,
            verified=verified,
            unknown=self.unknown,
            left_out=self._flood.left_out,
            sealed=self._sealed + _answered_unseen(pending),
        )

    def _unread(self, event: StoredEvent) -> None:
        """A payload stayed sealed. The envelope says by which rule somebody was asked, or denied."""
        self.unknown += 1
        ruled = pieces.inner(event.envelope, "g")
        rule = pieces.text(ruled, "rule")
        if rule and pieces.text(ruled, "decision") != Verdict.ALLOW:
            self._sealed[rule, pieces.number(event.envelope, "t") // DAY_US] += 1

    def _told(self, kind: str, event: StoredEvent, payload: Mapping[str, Any]) -> None:
        at_us = pieces.number(event.envelope, "t")
        if kind.startswith("action."):
            self._acted(kind, event, payload)
        elif kind.startswith("approval."):
            self._approval(kind, at_us, payload)
        elif kind == EventKind.SESSION_OPENED:
            self._reader.met(pieces.inner(pieces.inner(payload, "request"), "principal"))
        elif kind == EventKind.BREAKGLASS_OPENED:
            who, target = pieces.text(payload, "principal"), pieces.text(payload, "target")
            self._glass.append((at_us, who, target))
        elif kind == EventKind.POLICY_ACTIVATED:
            self._ages.activated(payload, at_us)
        elif kind == EventKind.REVIEW_CLOSED:
            self._reviewed(payload)
        elif pieces.text(payload, "answer") == "wrong":
            self._incidents.setdefault(
                pieces.number(payload, "n"), pieces.text(payload, "reason") or "said to be wrong"
            )

    def _approval(self, kind: str, at_us: int, payload: Mapping[str, Any]) -> None:
        questions, request_id = self._questions, pieces.text(payload, "request")
        if not request_id:
            return
        if kind == EventKind.APPROVAL_REQUESTED:
            questions.requested(request_id, at_us, payload)
        elif kind == EventKind.APPROVAL_VOTED:
            questions.voted(request_id, at_us, payload)
        elif kind in _ENDS:
            questions.ended(request_id, at_us, payload, _ENDS[EventKind(kind)])
        self._deeds += questions.take()

    def _acted(self, kind: str, event: StoredEvent, payload: Mapping[str, Any]) -> Tally | None:
        ends = kind != EventKind.ACTION_REQUESTED and "approval" in payload
        if ends and self._questions.acted(self._reader.end(event, payload)):
            self._deeds += self._questions.take()
            return None
        act = self._reader.act(event, payload)
        if kind == EventKind.ACTION_RELEASED:
            return self._released(act)
        if kind == EventKind.ACTION_REFUSED:
            self._refused(act)
            return None
        self._passes.decided(act.rules, act.at_us)
        if act.asked_as:
            self._questions.ask(act)
        else:
            self._deeds.append(deed_of(act, adopted=act.sample))
        self._deeds += self._questions.take()
        return None

    def _released(self, act: Act) -> Tally | None:
        given = pieces.text(act.approval, "kind")
        if not given:
            tally = self._passes.tally(act)
            self._passes.count(tally, act.n, act.at_us)
            return tally
        self._passes.decided(act.rules, act.at_us)
        grant, answer = pieces.text(act.approval, "grant"), _KINDS.get(given, Answer.GRANTED)
        adopted = grant if answer is Answer.ADOPTED else act.sample
        out = "" if answer is not Answer.GRANTED else "break_glass" if given == "break_glass" else "grant"
        if answer is Answer.ADOPTED and not self._kept(self._passing, act):
            return None
        if out and grant:
            self._of_grant.setdefault(grant, []).append(act.n)
        self._deeds.append(
            deed_of(act, answer=answer, adopted=adopted, excluded=out, request_id=act.asked_as)
        )
        return None

    def _refused(self, act: Act) -> None:
        self._passes.decided(act.rules, act.at_us)
        if act.verdict is Verdict.ALLOW and act.cause == "skipped":
            return  # something else in its pipeline was refused
        if self._kept(self._flood, act):
            self._deeds.append(deed_of(act, request_id=act.asked_as))

    def _kept(self, flood: Flood, act: Act) -> bool:
        like = act.likeness.template if act.likeness is not None else act.text
        where, rule = act.where, act.rules[0] if act.rules else ""
        return flood.holds(act.at_us, where.person, where.target, act.action, rule, like)

    def _reviewed(self, payload: Mapping[str, Any]) -> None:
        """A review of leave that somebody took: what it says, it says of all that was done by it."""
        finding = pieces.text(payload, "finding")
        words = _WORD.findall(finding.lower())
        if finding and (not _CALM.intersection(words[:1]) or _YET.intersection(words)):
            for n in self._of_grant.get(pieces.text(payload, "grant"), ()):
                self._incidents.setdefault(n, finding)


def _answered_unseen(pending: Iterable[Deed]) -> Counter[tuple[str, int]]:
    """Of what people did not let pass, and whose answer nobody can read: it may have been a no."""
    return Counter(
        (rule, deed.at_us // DAY_US)
        for deed in pending
        if deed.answer is Answer.NONE and deed.cause == _ASKED
        for rule in deed.rules
    )
