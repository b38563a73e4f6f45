"""Whatever people, clocks and disks do in whatever order: the promises of the desk hold after each step.

A hypothesis machine over the real desk and store. What is expected is worked out here, by other
means than the desk's own.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.desk_world import DeskWorld, person

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_values import Limits, NotAsked

Result = TypeVar("Result")
FINAL = {"decided", "expired", "withdrawn"}
PEOPLE = (
    person("alice", "engineers", "dba"), person("alice-two", "dba", of="alice"),
    person("bot", "engineers", owner="olga"), person("olga", "dba"), person("bob", "dba"),
    person("carol", "dba"), person("erin", "dba", "security"), person("sam", "security"),
    person("dan", "engineers"), person("hook", "dba", owner="olga"),
)  # fmt: skip
SETS = (
    (("dba",),), (("dba:2",),), (("dba", "security"),), (("dba:2",), ("security",)), (("security",),),
)  # fmt: skip
ANYBODY = st.sampled_from(PEOPLE)


class Desk(RuleBasedStateMachine):
    """People ask, vote, withdraw, lend their places; time passes; the journal breaks and is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.asked: dict[str, ApprovalRequest] = {}
        self.waits: dict[str, asyncio.Future[ApprovalRequest]] = {}
        self.ends: dict[str, list[str]] = {}
        self.final: dict[str, ApprovalRequest] = {}

    def teardown(self) -> None:
        """Nothing is left when all is mended and time has passed."""
        try:
            self.world.journal.mend()
            self.world.clock.pass_s(10_000)
            self.run(self.world.desk.tick())
            assert not self.world.desk._open
            assert self.world.books.requests(state=RequestState.PENDING) == []
            assert self.world.books.pending() == []
            self.check()
            self.run(self.world.close())
        finally:
            self.loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """To its end, and whatever it has begun with it."""

        async def whole() -> Result:
            result = await work
            for _ in range(200):
                if not len(self.world.owner):
                    break
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(whole())

    @initialize()
    def begin(self) -> None:
        """An empty state."""

        async def made() -> DeskWorld:
            return DeskWorld(*PEOPLE, limits=Limits(max_open=3))

        self.world = self.loop.run_until_complete(made())
        self.world.standing.later = {"dba": (300, "security")}
        self.world.desk.listen(self._heard)

    def _heard(self, what: str, request: ApprovalRequest) -> None:
        if what in FINAL:
            self.ends.setdefault(request.id, []).append(what)

    # what may happen

    @rule(who=ANYBODY, text=st.sampled_from(["A", "B"]), sets=st.sampled_from(SETS), ahead=st.booleans())
    def ask(self, who: Principal, text: str, sets: tuple[tuple[str, ...], ...], ahead: bool) -> None:
        """Somebody asks, for something that may have been asked before."""
        more = {"session": "", "grant_s": 600, "scope": Scope.ONCE} if ahead else {}
        try:
            found = self.run(self.world.try_ask(who, text, approvers=sets, **more))
        except JournalUnavailable:
            return
        if isinstance(found, NotAsked):
            return
        self.world.desk.announce(found.id)
        self.asked[found.id] = found
        self.waits[found.id] = self.world.desk.ended(found.id, lambda *_: None)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), who=ANYBODY, scope=st.sampled_from([Scope.ONCE, Scope.TEMPLATE]),
          via=st.sampled_from(["web", "slack", "webhook"]), deny=st.sampled_from(["", "", "no"]))  # fmt: skip
    def vote(self, data: st.DataObject, who: Principal, scope: Scope, via: str, deny: str) -> None:
        """Somebody says something about something, in time or late."""
        request = self.asked[data.draw(st.sampled_from(sorted(self.asked)))]
        self._say(request, who, scope=scope, via=via, deny=deny)

    @precondition(lambda self: self.world.desk._open)
    @rule(data=st.data(), scope=st.sampled_from([Scope.ONCE, Scope.TEMPLATE]), deny=st.sampled_from(["", "", "", "no"]))
    def vote_of_one_who_may(self, data: st.DataObject, scope: Scope, deny: str) -> None:
        """Somebody who is asked says something about what is open."""
        request = self.world.desk._open[data.draw(st.sampled_from(sorted(self.world.desk._open)))].request
        may = self.world.desk.deciders(request)
        if may:
            wanted = data.draw(st.sampled_from(sorted(may)))
            who = next(one for one in PEOPLE if one.person == wanted)
            self._say(request, who, scope=scope, deny=deny)

    def _say(self, request: ApprovalRequest, who: Principal, **more: Any) -> None:
        barred = self._barred(request)
        try:
            cast = self.run(self.world.vote(request, who, **more))
        except JournalUnavailable:
            return
        if cast.counted and not more["deny"]:
            assert who.person not in barred
            assert more.get("via") != "webhook"

    def _barred(self, request: ApprovalRequest) -> set[str]:
        """Whose yes must not count now: near to who asks by person, machine or stand-in."""
        near = {request.place.person, request.place.owner} - {""}
        lent = self.world.standing.lent
        standing_in = {to for to, by in lent.items() if near & set(by)}
        stood_for = {by for to, lent_by in lent.items() if to in near for by in lent_by}
        machines = {one.person for one in PEOPLE if one.owner}
        return near | standing_in | stood_for | machines

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), who=ANYBODY)
    def withdraw(self, data: st.DataObject, who: Principal) -> None:
        """Somebody takes something back."""
        request = self.asked[data.draw(st.sampled_from(sorted(self.asked)))]
        try:
            cast = self.run(self.world.desk.withdraw(request.id, who, "a slip"))
        except JournalUnavailable:
            return
        assert not cast.counted or who.person == request.place.person

    @rule(by=st.sampled_from(["olga", "bob", "alice"]), to=st.sampled_from(["dan", "erin", "bob"]))
    def lend(self, by: str, to: str) -> None:
        """Somebody lets another vote in his place."""
        if by != to:
            self.world.standing.lend(by, to, "dba")

    @rule()
    def take_back(self) -> None:
        """Nobody stands in for anybody any more."""
        self.world.standing.lent.clear()

    @rule(seconds=st.sampled_from([1, 120, 300, 901]))
    def time_passes(self, seconds: int) -> None:
        """And somebody looks at the clock."""
        self.world.clock.pass_s(seconds)
        self.run(self.world.desk.tick())

    @rule(seconds=st.sampled_from([-86_400, -60, 60, 901]))
    def clock_steps(self, seconds: int) -> None:
        """An operator, or NTP."""
        self.world.clock.step_s(seconds)
        self.run(self.world.desk.tick())

    @rule(how=st.sampled_from(["sync", "append", "full"]))
    def journal_breaks(self, how: str) -> None:
        """On the way to the disk, before it, or because there is no room."""
        journal = self.world.journal
        if how == "sync":
            journal.broken_sync = JournalUnavailable("no space")
        elif how == "append":
            journal.break_append_at = len(journal.events)
        else:
            journal.accepting = False

    @rule()
    def journal_is_mended(self) -> None:
        """And somebody looks at what is open."""
        self.world.journal.mend()
        self.run(self.world.desk.tick())

    @rule()
    def restart(self) -> None:
        """The process is gone, the state is there."""
        self.run(self.world.restart())
        self.world.desk.listen(self._heard)
        self.waits.clear()
        for request in self.world.books.requests(state=RequestState.PENDING):
            assert not request.place.session
            self.run(self.world.desk.adopt(request, lambda _given: True, self.world.grant_for))
            self.waits[request.id] = self.world.desk.ended(request.id, lambda *_: None)

    # what holds after each step

    @invariant()
    def check(self) -> None:
        """All of the promises."""
        kept = {one.id: one for one in self.world.books.requests(limit=10_000)}
        for request_id, request in kept.items():
            self._leaves_pending_once(request_id, request)
            if request.state is RequestState.APPROVED:
                self._approved_by_enough(request)
        for request_id, wait in self.waits.items():
            if wait.done():
                self._durable(request_id, wait.result())
        self._no_more_than_allowed()
        self._grants_have_their_approval(kept)

    def _leaves_pending_once(self, request_id: str, request: ApprovalRequest) -> None:
        assert len(self.ends.get(request_id, ())) <= 1
        before = self.final.get(request_id)
        if before is not None:
            assert (request.state, request.decided_us, request.votes, request.scope) == (
                before.state, before.decided_us, before.votes, before.scope,
            )  # fmt: skip
        elif request.state is not RequestState.PENDING:
            self.final[request_id] = request

    def _approved_by_enough(self, request: ApprovalRequest) -> None:
        voters = [one.person for one in request.votes]
        assert len(set(voters)) == len(voters)
        assert all(one.verdict is VoteVerdict.APPROVE for one in request.votes)
        near = {request.place.person, request.place.owner}
        assert not near & set(voters)
        seats = [one.delegator or one.person for one in request.votes]
        assert len(set(seats)) == len(seats)
        assert not near & set(seats)
        held = {one.person: one.groups for one in request.votes}
        assert any(self._fills(one, held) for one in request.why.approvers)
        assert request.decided_us < request.open_until_us
        if request.why.extra and request.why.denier not in held:
            assert len(held) >= 2

    @staticmethod
    def _fills(one: tuple[str, ...], held: dict[str, frozenset[str]]) -> bool:
        wanted = [
            name for group in one
            for name in [group.partition(":")[0]] * int(group.partition(":")[2] or 1)
        ]  # fmt: skip
        return any(
            all(name in held[who] for name, who in zip(wanted, order, strict=True))
            for order in itertools.permutations(held, len(wanted))
        )

    def _durable(self, request_id: str, ended: ApprovalRequest) -> None:
        """Whoever waited was told what the journal has, and nothing else."""
        outcomes = {
            one["outcome"]
            for kind in ("approval.decided", "approval.expired", "approval.withdrawn")
            for one in self.world.told(kind)
            if one["request"] == request_id
        }
        assert outcomes == {ended.state.value}

    def _no_more_than_allowed(self) -> None:
        waiting: dict[str, int] = {}
        for one in self.world.desk._open.values():
            waiting[one.request.place.person] = waiting.get(one.request.place.person, 0) + 1
        assert all(count <= 3 for count in waiting.values())

    def _grants_have_their_approval(self, kept: dict[str, ApprovalRequest]) -> None:
        made = {one["grant"] for one in self.world.told("grant.made")}
        for held in self.world.grants._live.values():
            for grant in held.values():
                assert grant.id in made
                request = kept[grant.request]
                assert request.state is RequestState.APPROVED
                assert request.settled


def _prove(examples: int, steps: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis has no types there
        Desk,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_the_promises_hold_whatever_happens() -> None:
    """A small search in `make test`."""
    _prove(40, 25)


@pytest.mark.soak
def test_they_hold_in_a_long_search() -> None:
    """The same, for minutes."""
    _prove(3000, 60)
