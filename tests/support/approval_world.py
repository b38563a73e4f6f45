"""A gateway world in which people are asked: the real desk, votes and grants over a real state.

What the desk does not do yet (leave ahead of time, break-glass, delegations, reviews) behaves here
as its port says, in memory.
"""

# ruff: noqa: D102 - the ports say what each method does

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.api_world import HeldClock, People, World
from support.clock import MovedClock
from support.fake_journal import FakeJournal

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    Scope,
    Subject,
    Why,
)
from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant, Situation
from gatekeep.domain.identity import Principal
from gatekeep.domain.reviews import Review
from gatekeep.errors import JournalUnavailable, NotPermitted
from gatekeep.gate import approval_events as told
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_ports import Ahead, Ballot, Cast, Emergency, Listener, StandIn
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import Limits, NewRequest, NotAsked
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.voters import NobodySpecial, Voters
from gatekeep.identity.bearers import Bearers
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.tokens import TokenDesk
from gatekeep.identity.totp import OneTimeCodes, code_at
from gatekeep.runtime.clock import random_bytes
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.stores.sqlite.approvals import ApprovalBooks
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.web.access import ApiNeeds, ApprovalNeeds
from gatekeep.web.second_step import SecondStep
from gatekeep.web.waiting import Waits

ALICE = Principal("alice", "p-alice", frozenset({"engineers"}))
ALICE_DBA = Principal("alice-dba", "p-alice", frozenset({"dba"}))
BOB = Principal("bob", "p-bob", frozenset({"dba"}))
CAROL = Principal("carol", "p-carol", frozenset({"dba"}))
DAN = Principal("dan", "p-dan", frozenset({"engineers"}))
ERIN = Principal("erin", "p-erin", frozenset({"dba"}))
SAM = Principal("sam", "p-sam", frozenset({"security"}))
BOT = Principal("bot", "bot", frozenset({"engineers"}), owner="p-bob")
OWNER = Principal("owner", "owner", frozenset({"owners"}))
CROWD = (ALICE, ALICE_DBA, BOB, CAROL, DAN, ERIN, SAM, BOT, OWNER)
SECRETS = {name: f"{name}-and-his-seed".encode() for name in ("bob", "carol", "alice")}
START_US = HeldClock().wall_us()
DELETE = "DELETE FROM customers;"
_US = 1_000_000


class Crowd(People):
    """Nine principals; `gone` are no principals any more."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()

    def principals(self) -> Sequence[Principal]:
        return [one for one in CROWD if one.name not in self.gone]


class Standing(NobodySpecial):
    """Who stands in for whom, as the delegations of the desk say."""

    def __init__(self) -> None:
        self.live: Callable[[], Sequence[Delegation]] = tuple

    def delegations_of(self, person: str) -> frozenset[str]:
        return frozenset(one.person for one in self.live() if one.delegate_person == person)

    def delegates_of(self, person: str) -> frozenset[str]:
        return frozenset(one.delegate_person for one in self.live() if one.person == person)


class _Inline:
    """A thread that is none."""

    async def run(self, function: Callable[[], Any]) -> Any:
        return function()


class _Codes:
    """One-time codes of those who have an authenticator."""

    def __init__(self, clock: MovedClock) -> None:
        self._codes = OneTimeCodes(clock)
        self._codes.reload(SECRETS)

    def known_key(self, name: str, key: bytes) -> bool:
        return False

    def needs_code(self, name: str) -> bool:
        return self._codes.has(name)

    def accept_code(self, name: str, code: str) -> bool:
        return self._codes.accept(name, code)


class ApprovalWorld(World):
    """Everything behind the API, approvals among it. To be made on a running loop."""

    def __init__(self, state: Path) -> None:
        super().__init__()
        self.state = state
        self.clock = MovedClock(wall=START_US, monotonic=90_000_000_000)
        self.people: Crowd = Crowd()
        self.journal = FakeJournal()
        self.owner = TaskOwner("approvals")
        self._store = StateStore.open(state / "state.db", bytes(32), self.clock)
        self._books = StateStore.open(state / "state.db", bytes(32), self.clock)
        self.tokens = TokenDesk(self._store, self.clock)
        self.tokens.replace_principals({one.name: () for one in CROWD})
        self.lock_outs = LockOutBook(self.clock)
        self.noted: list[tuple[EventKind, str, str, str]] = []
        self.standing = Standing()
        self.voters = Voters(self.people, self.standing)
        self.record_of_requests = record = ApprovalRecord(ApprovalBooks(self._books), _Inline(), self.journal, self.owner)
        self.grant_book = GrantBook(
            record, self.voters, self.supervision, self.clock.wall_us, random_bytes
        )
        self.book_of_requests = ApprovalDesk(
            record, self.voters, self.clock.wall_us, random_bytes, Limits(max_open=50),
            self.grant_book.add,
        )  # fmt: skip
        self.desk = Desk(self)
        self.standing.live = lambda: self.desk.live_delegations
        self._needs: ApiNeeds | None = None
        self.bearers = Bearers(
            self.people, self.tokens.holder, self.lock_outs, lambda *said: self.noted.append(said)
        )
        self._tokens: dict[str, str] = {}

    def needs(self) -> ApiNeeds:
        if self._needs is None:
            codes = SecondStep(_Codes(self.clock), self.lock_outs, self.clock)
            self._needs = replace(
                super().needs(),
                clock=self.clock,
                approvals=ApprovalNeeds(self.desk, codes, Waits(self.desk)),
                bearers=self.bearers,
            )
        return self._needs

    async def close(self) -> None:
        """End what runs."""
        await self.owner.close()
        self._store.close()
        self._books.close()

    def token(self, name: str) -> str:
        """A token of this principal that works, the same each time."""
        if name not in self._tokens:
            row, self._tokens[name] = self.tokens.make(name, ttl_s=None, note="")
            self.tokens.settle(row.id, EventKind.TOKEN_MADE)
            self.token_ids = {**getattr(self, "token_ids", {}), name: row.id}
        return self._tokens[name]

    def code(self, name: str) -> str:
        """What this principal's authenticator shows."""
        return code_at(SECRETS[name], self.clock.wall_us() // _US // 30)

    async def held(
        self,
        text: str = DELETE,
        *,
        by: Principal = ALICE,
        risk: str = "moderate",
        approvers: tuple[tuple[str, ...], ...] = (("dba",),),
        sight: Mapping[str, object] | None = None,
        **more: Any,
    ) -> ApprovalRequest:
        """A statement that waits at the database."""
        place = Place(
            by.name, by.person, "orders-prod", "app_rw", owner=by.owner, database="shop",
            source="10.1.4.7", session="ab" * 16, session_code="S-8QZ4", groups=by.groups,
        )  # fmt: skip
        subject = Subject(
            RequestKind.STATEMENT, text.split(maxsplit=1)[0], text, f"template of {text}",
            facts={"scopes": ["template", "session"], "where": ["absent"]}, **more,
        )  # fmt: skip
        why = Why(
            "prod-writes-need-dba", "writes need a dba", "7f3a9c2", approvers, risk=risk,
            owner="data-platform",
        )  # fmt: skip
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        asked = await self.book_of_requests.ask(
            NewRequest(place, subject, why, digest, reason="ticket OPS-412"),
            lambda _approval: True,
            self.grant_for,
        )
        assert isinstance(asked, ApprovalRequest), asked
        self.book_of_requests.announce(asked.id, sight)
        return asked

    def grant_for(
        self, request: ApprovalRequest, ballot: Ballot, groups: frozenset[str]
    ) -> Grant | None:
        """What an approval of this scope makes."""
        place = request.place
        now = Situation(
            place.principal, place.target, place.account, place.session, request.why.rule,
            request.subject.verb, request.digest, request.subject.template,
        )  # fmt: skip
        return self.grant_book.made_of(request, ballot, groups, now)


class Desk:
    """Implements gate.approval_ports.Approvals; votes, requests and grants are the real ones."""

    def __init__(self, world: ApprovalWorld) -> None:
        self._world = world
        self._numbers = itertools.count(1)
        self._delegations: list[Delegation] = []
        self._reviews: list[Review] = []
        self._breaks: list[Grant] = []

    @property
    def _desk(self) -> ApprovalDesk:
        return self._world.book_of_requests

    @property
    def live_delegations(self) -> Sequence[Delegation]:
        """Those that count now."""
        now = self._world.clock.wall_us()
        return [one for one in self._delegations if one.live_at(now)]

    def listen(self, listener: Listener) -> None:
        self._desk.listen(listener)

    async def request(self, request_id: str) -> ApprovalRequest | None:
        return await self._desk.request(request_id)

    async def requests(self, **wanted: Any) -> Sequence[ApprovalRequest]:
        return await self._world.record_of_requests.read(lambda store: store.requests(**wanted))

    def deciders(self, request: ApprovalRequest) -> Sequence[str]:
        return self._desk.deciders(request)

    def asked_now(self, request: ApprovalRequest) -> Sequence[str]:
        return self._desk.asked_now(request)

    def may_see(self, request: ApprovalRequest, principal: Principal) -> bool:
        place = request.place
        return (
            principal.person in {place.person, place.owner}
            or self._desk.may_decide(request, principal)
            or any(vote.person == principal.person for vote in request.votes)
            or bool(principal.groups & {"dba", "security", "owners"})
        )

    async def cast(self, request_id: str, voter: Principal, ballot: Ballot) -> Cast:
        return await self._desk.cast(request_id, voter, ballot)

    async def withdraw(self, request_id: str, by: Principal, cause: str) -> Cast:
        return await self._desk.withdraw(request_id, by, cause)

    async def grants(self, *, principal: str = "", live: bool = True) -> Sequence[Grant]:
        return await self._world.grant_book.grants(principal=principal, live=live)

    async def revoke(self, grant_id: str, by: Principal) -> Grant:
        grant = await self._world.grant_book.grant(grant_id)
        if grant is None:
            raise KeyError(grant_id)
        if by.person not in {grant.person, *grant.persons} and "security" not in by.groups:
            raise NotPermitted("policy does not let you revoke it")
        return await self._world.grant_book.revoke(grant_id, by.name)

    async def ask_ahead(self, by: Principal, ahead: Ahead) -> ApprovalRequest:
        if self._world.book.target(ahead.target) is None:
            raise NotPermitted(f'no target "{ahead.target}" for {by.name}')
        text = ahead.text or f"access to {ahead.target} as {ahead.account}"
        place = Place(by.name, by.person, ahead.target, ahead.account, groups=by.groups)
        subject = Subject(
            ahead.kind, text.split()[0], text, text, facts={"ticket": ahead.ticket}
        )
        asked = await self._desk.ask(
            NewRequest(
                place, subject, Why("prod-writes-need-dba", "because", "7f3a9c2", (("dba",),)),
                hashlib.sha256(text.encode()).hexdigest(), reason=ahead.reason,
                starts_us=ahead.starts_us, grant_s=ahead.for_s,
            ),
            lambda _approval: True,
            self._world.grant_for,
        )  # fmt: skip
        if isinstance(asked, NotAsked):
            raise NotPermitted(f"not asked: {asked.cause}")
        self._desk.announce(asked.id)
        return asked

    async def break_glass(self, by: Principal, emergency: Emergency) -> Grant:
        if self._world.journal_down:
            raise JournalUnavailable("no space")
        if not emergency.mfa:
            raise NotPermitted("breaking the glass takes a code from your authenticator")
        now, number = self._world.clock.wall_us(), next(self._numbers)
        grant = Grant(
            f"G-B{number}", "", Scope.ACCESS, "break_glass", by.name, by.person, emergency.target,
            emergency.account, frozenset(), {}, now, now,
            now + (emergency.for_s or 3600) * _US, mfa=True, settled=True,
        )  # fmt: skip
        store = ApprovalBooks(self._world._books)
        store.add_grant(grant, [told.grant_made(grant)])
        for row in store.pending():
            store.settle(row.id)
        self._reviews.insert(
            0,
            Review(f"V-{number}", grant.id, by.name, by.person, emergency.target,
                   emergency.account, now, emergency.reason),
        )  # fmt: skip
        return grant

    async def delegate(self, by: Principal, stand_in: StandIn) -> Delegation:
        to = self._world.people.principal(stand_in.to)
        if to is None:
            raise KeyError(stand_in.to)
        if to.person == by.person:
            raise NotPermitted("nobody stands in for himself")
        now = self._world.clock.wall_us()
        made = Delegation(
            f"D-{next(self._numbers)}", by.name, by.person, to.name, to.person, now,
            stand_in.starts_us or now, stand_in.ends_us, stand_in.groups, stand_in.reason,
            settled=True,
        )  # fmt: skip
        self._delegations.insert(0, made)
        return made

    async def end_delegation(self, delegation_id: str, by: Principal) -> Delegation:
        for place, one in enumerate(self._delegations):
            if one.id == delegation_id and by.person in {one.person, one.delegate_person}:
                now = self._world.clock.wall_us()
                self._delegations[place] = replace(one, ended_us=now, ended_by=by.name)
                return self._delegations[place]
        raise KeyError(delegation_id)

    async def delegations(self, by: Principal, *, live: bool = True) -> Sequence[Delegation]:
        kept = self.live_delegations if live else self._delegations
        return [one for one in kept if by.person in {one.person, one.delegate_person}]

    async def reviews(self, by: Principal, *, still_open: bool = True) -> Sequence[Review]:
        return [
            one
            for one in self._reviews
            if (not still_open or not one.closed_us)
            and (by.person == one.person or "security" in by.groups)
        ]

    async def close_review(self, review_id: str, by: Principal, finding: str) -> Review:
        for place, one in enumerate(self._reviews):
            if one.id == review_id and one in await self.reviews(by, still_open=False):
                if one.person == by.person:
                    raise NotPermitted("somebody else has to review it")
                if not one.closed_us:
                    now = self._world.clock.wall_us()
                    self._reviews[place] = replace(
                        one, closed_us=now, closed_by=by.name, finding=finding
                    )
                return self._reviews[place]
        raise KeyError(review_id)

    def on_call(self) -> Sequence[OnCall]:
        return [OnCall("dba", ("p-bob", "p-carol"), "rota", START_US + 3600 * _US)]


def yes(request: ApprovalRequest, **more: object) -> dict[str, object]:
    """A ballot for it, by whoever has seen it."""
    return {"verdict": "approve", "digest": request.digest[:12], **more}
