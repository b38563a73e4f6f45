"""Suggestions in memory, as a gateway's loop would keep them: a fake that behaves.

`RESTART` is proposed and needs two persons, `GATE` one; `CANARY` is in force, `VERIFIED` and
`REVERTED` are what became of others, `ADVICE` changes no rule.
"""

# ruff: noqa: D102 - the port says what each method does

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gatekeep.domain.identity import Principal
from gatekeep.domain.suggestions import (
    DAY_US,
    Acceptance,
    Backtest,
    Check,
    Effect,
    EvidenceVector,
    Probe,
    Rejected,
    Sample,
    SampleAnswer,
    Shifted,
    SlotBound,
    SlotScope,
    SourceRule,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionScope,
    SuggestionState,
)
from gatekeep.errors import NotPermitted
from gatekeep.feedback.ports import CameTo, RunReport, Terms, Wish
from gatekeep.feedback.seen import is_seen

NOW_US = 1_760_000_000_000_000
_DAY = NOW_US // DAY_US
RULE = """\
@id("adopted-3f9a12bc")
@title("Let sre restart nginx on production web servers without asking")
permit (principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"prod")
when {
  context has asked_by && context.asked_by == ["prod-systemctl:0a1b2c3d4e5f"] &&
  context has template && ["systemctl restart nginx"].contains(context.template)
};
"""
NARROWER = RULE.replace("};", '  && resource == Target::"web-1"\n};')
BEFORE = """\
@id("prod-systemctl")
permit (principal in Group::"sre", action == Action::"ssh.exec", resource)
when { context has approval };
"""
VECTOR = EvidenceVector(
    asked=41, approved=41, persons=("p-ann", "p-ben", "p-cy", "p-dot", "p-eve", "p-fay"),
    approvers=("p-bob", "p-carol", "p-erin", "p-sam"), days=23, largest_share=0.31, latency_s=396.0,
    recency=0.82, wilson=0.91, first_us=NOW_US - 40 * DAY_US, last_us=NOW_US - DAY_US,
    assurance={"exact": 41}, on_days=tuple(range(_DAY - 40, _DAY, 2)),
)  # fmt: skip
BACKTEST = Backtest(
    NOW_US - 90 * DAY_US, NOW_US, 18_204, {"allow>allow": 18_000, "ask>allow": 41, "ask>ask": 163},
    {"ask>allow": 14, "ask>ask": 50}, per_person=(Shifted("p-ann", 12, ("systemctl restart nginx",)),),
    probes=(
        Probe("systemctl restart nginx", "ask", "allow"), Probe("systemctl restart sshd", "ask", "ask"),
    ),
    passed=True, why="nothing that people denied would pass",
)  # fmt: skip
SCOPE = SuggestionScope(
    "sre", "ssh.exec", "prod", ("web-1", "web-2"), "deploy", labels=("role=web",),
    templates=("systemctl restart nginx",), verb="systemctl",
)  # fmt: skip
SUGGESTION = Suggestion(
    "S-3f9a12bc", SuggestionKind.RELAX,
    "Let sre restart nginx on production web servers without asking; expires in 90 days.",
    (SourceRule("prod-systemctl", "0a1b2c3d4e5f"),), SCOPE, VECTOR, 2.9, 3.2, 1_260.0, "ab" * 32,
    (184_467, 184_501, 185_002), risk="low", rule=RULE, rule_id="adopted-3f9a12bc", before=BEFORE,
    rejected=(
        Rejected("restart *", "would also pass what was denied twice", (173_002, 173_044), ("systemctl restart sshd",)),
    ),
    not_counted={"same_day": 12, "break_glass": 1},
    checks=(
        Check("never-list", passed=True, why="nothing destructive is in it"),
        Check("hold-out", passed=True, why="14 of 14 of the last third were approved"),
    ),
    backtest=BACKTEST, narrower=NARROWER,
)  # fmt: skip


def made(suggestion_id: str, kind: SuggestionKind, title: str, **changes: Any) -> Suggestion:
    """Another one like SUGGESTION."""
    rule_id = f"adopted-{suggestion_id[2:]}" if kind.writes_rule else ""
    rule = RULE.replace("adopted-3f9a12bc", rule_id) if kind.writes_rule else ""
    given = {"rule_id": rule_id, "rule": rule, **changes}
    return replace(SUGGESTION, id=suggestion_id, kind=kind, title=title, **given)


RESTART = SuggestionLife(SUGGESTION, SuggestionState.PROPOSED, NOW_US - DAY_US)
GATE = SuggestionLife(
    made(
        "S-77c0ffee", SuggestionKind.GATE, "Ask a dba before customers is read whole", saves_per_week=0.0,
        wait_s_per_week=0.0, narrower="", scope=replace(
            SCOPE, action="sql.read", database="shop", templates=("select * from customers where id = $1:int",),
            slots=(SlotScope(SlotBound.ANY_OF, ("7", "8")),), tables_read=("public.customers",),
        ),
    ),
    SuggestionState.PROPOSED, NOW_US - 2 * DAY_US,
)  # fmt: skip
ADVICE = SuggestionLife(
    made(
        "S-00adf1ce", SuggestionKind.WORDS, "Six people wrote DELETE without WHERE", before="",
        advice="Say in @why of prod-writes which WHERE is meant.", backtest=None, checks=(),
        rejected=(), not_counted={}, narrower="", saves_per_week=1.0, wait_s_per_week=0.0,
    ),
    SuggestionState.PROPOSED, NOW_US - 3 * DAY_US,
)  # fmt: skip
_YES = (
    Acceptance("bob", "p-bob", NOW_US - 20 * DAY_US, "seen often enough", "web", mfa=True),
    Acceptance("carol", "p-carol", NOW_US - 20 * DAY_US, "agreed", "cli", mfa=True),
)
CANARY = SuggestionLife(
    made("S-ca4a4900", SuggestionKind.RELAX, "Let engineers vacuum staging without asking"),
    SuggestionState.CANARY, NOW_US - 6 * DAY_US, accepted_by=_YES, decided_by="gatekeep",
    in_force_us=NOW_US - 6 * DAY_US, expires_us=NOW_US + 84 * DAY_US,
    effect=Effect(
        hits=18, sampled=10, after=4, agreed=9.0, newcomers=("p-gus",), forecast_per_week=3.2,
        actual_per_week=3.0, saved_wait_s=5_400.0, checked_days=(1, 3), last_us=NOW_US - 3_600_000_000,
        words="as forecast",
    ),
)  # fmt: skip
VERIFIED = replace(
    CANARY, suggestion=made("S-0ed00ed0", SuggestionKind.RELAX, "Let sre read the web logs without asking"),
    state=SuggestionState.VERIFIED, since_us=NOW_US - 2 * DAY_US, in_force_us=NOW_US - 32 * DAY_US,
)  # fmt: skip
REVERTED = replace(
    CANARY, suggestion=made("S-dead0001", SuggestionKind.RELAX, "Let sre flush the cache without asking"),
    state=SuggestionState.REVERTED, since_us=NOW_US - 3 * DAY_US, reason="a sample was denied",
)  # fmt: skip
SAMPLE = Sample(
    "P-1a2b3c4d", "S-ca4a4900", 190_001, NOW_US - 7_200_000_000, "alice", "p-alice", "web-1",
    "VACUUM staging", groups=("dba",),
)  # fmt: skip
HELD = replace(SAMPLE, id="P-9f9f9f9f", n=190_044, principal="dan", person="p-dan", held=True)
_OPEN = {SuggestionState.PROPOSED, SuggestionState.SNOOZED}


class ToldSuggestions:
    """Implements feedback.ports.Suggestions over a dictionary. `wished` is what was asked of it."""

    def __init__(self) -> None:
        lives = (RESTART, GATE, ADVICE, CANARY, VERIFIED, REVERTED)
        self.lives = {one.suggestion.id: one for one in lives}
        self.kept_samples = {one.id: one for one in (SAMPLE, HELD)}
        self.wished: list[tuple[str, str, Wish]] = []
        self.replay = BACKTEST
        self.runs = 0

    async def suggestions(self, states: Sequence[SuggestionState] = ()) -> Sequence[SuggestionLife]:
        found = [one for one in self.lives.values() if not states or one.state in states]
        return sorted(found, key=lambda one: (one.state.over, -one.suggestion.saves_per_week))

    async def suggestion(self, suggestion_id: str) -> SuggestionLife:
        found = [one for name, one in self.lives.items() if name.startswith(suggestion_id)]
        if len(found) != 1 or not suggestion_id:
            raise KeyError(suggestion_id)
        return found[0]

    def needed(self, life: SuggestionLife) -> int:
        return 2 if life.suggestion.kind.loosens else 1

    def terms(self) -> Terms:
        return Terms()

    async def accept(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        life = await self.suggestion(suggestion_id)
        said = {one.person for one in life.accepted_by}
        for refused, refusal, words in (
            (life.state not in _OPEN, "late", f"{life.suggestion.id} is {life.state} already."),
            (bool(wish.seen) and not is_seen(life.suggestion, wish.seen), "digest", "It has changed."),
            (who.person == "p-alice", "self", "You gain most by it, so someone else must accept it."),
            (who.person in said, "twice", "You have accepted it already."),
            (life.suggestion.kind.loosens and not wish.mfa, "mfa", "This takes a second factor."),
        ):
            if refused:
                return CameTo(life, counted=False, words=f"{words} Nothing changed.", refusal=refusal)
        yes = Acceptance(who.name, who.person, NOW_US, wish.reason, wish.via, wish.mfa)
        now = replace(life, accepted_by=(*life.accepted_by, yes))
        if len(now.accepted_by) >= self.needed(life):
            state = SuggestionState.SHADOW if life.suggestion.kind.writes_rule else SuggestionState.ACCEPTED
            now = replace(now, state=state, since_us=NOW_US, decided_by=who.name, reason=wish.reason)
        return self._kept("accept", now, wish, f"{who.name} accepted {life.suggestion.id}.")

    async def dismiss(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        return await self._ended("dismiss", suggestion_id, who, wish, SuggestionState.DISMISSED)

    async def snooze(
        self, suggestion_id: str, who: Principal, wish: Wish, until_us: int
    ) -> CameTo:
        came = await self._ended("snooze", suggestion_id, who, wish, SuggestionState.SNOOZED)
        if not came.counted:
            return came
        now = replace(came.life, snoozed_until_us=until_us)
        self.lives[now.suggestion.id] = now
        return replace(came, life=now)

    async def take_back(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        life = await self.suggestion(suggestion_id)
        if life.state in _OPEN or life.state.over:
            words = f"{life.suggestion.id} is not in force. Nothing changed."
            return CameTo(life, counted=False, words=words, refusal="state")
        if life.suggestion.kind is SuggestionKind.GATE and life.state.rules and not wish.mfa:
            words = "That takes a second factor. Nothing changed."
            return CameTo(life, counted=False, words=words, refusal="mfa")
        now = replace(life, state=SuggestionState.REVERTED, decided_by=who.name, reason=wish.reason, since_us=NOW_US)
        return self._kept("take_back", now, wish, f"{life.suggestion.id} is taken back.")

    async def backtest(self, suggestion_id: str) -> Backtest:
        await self.suggestion(suggestion_id)
        return self.replay

    async def samples(self, *, unanswered: bool = True) -> Sequence[Sample]:
        return [one for one in self.kept_samples.values() if one.answer is None or not unanswered]

    async def answer(
        self, sample_id: str, who: Principal, answer: SampleAnswer, wish: Wish
    ) -> Sample:
        sample = self.kept_samples[sample_id]
        if sample.person == who.person:
            raise NotPermitted("nobody answers for his own deed")
        if sample.answer is not None:
            return sample
        now = replace(sample, answer=answer, answered_by=who.name, answered_us=NOW_US, reason=wish.reason)
        self.kept_samples[sample_id] = now
        self.wished.append(("answer", sample_id, wish))
        return now

    async def run(self) -> RunReport:
        self.runs += 1
        return RunReport(1_204, 0.8, proposed=("S-3f9a12bc",))

    async def _ended(
        self, what: str, suggestion_id: str, who: Principal, wish: Wish, state: SuggestionState
    ) -> CameTo:
        life = await self.suggestion(suggestion_id)
        if life.state not in _OPEN:
            words = f"{life.suggestion.id} is {life.state} already. Nothing changed."
            return CameTo(life, counted=False, words=words, refusal="late")
        now = replace(life, state=state, decided_by=who.name, reason=wish.reason, since_us=NOW_US)
        return self._kept(what, now, wish, f"{who.name} {state} {life.suggestion.id}.")

    def _kept(self, what: str, now: SuggestionLife, wish: Wish, words: str) -> CameTo:
        self.lives[now.suggestion.id] = now
        self.wished.append((what, now.suggestion.id, wish))
        return CameTo(now, counted=True, words=words)
