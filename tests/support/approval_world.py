"""A gateway world in which people are asked: the real rooms of approvals over a real state and policy.

Only the journal and the archive are kept in memory.
"""

# ruff: noqa: D102 - the ports say what each method does

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.api_world import HeldClock, People, World
from support.builders import action, facts
from support.clock import MovedClock
from support.fake_journal import FakeJournal
from support.told_suggestions import ToldSuggestions

from gatekeep.approval_assembly import ApprovalNeeds as ApprovalParts
from gatekeep.approval_assembly import assemble_approvals
from gatekeep.domain.actions import SqlAction, SqlClass
from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Subject,
    Why,
)
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant, Situation
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.errors import ClientFault, JournalUnavailable
from gatekeep.gate.approval_ports import Ballot
from gatekeep.gate.approval_values import Limits, NewRequest
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.identity.bearers import Bearers
from gatekeep.identity.delegations import Delegations
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.memberships import Memberships
from gatekeep.identity.on_call import load_schedule
from gatekeep.identity.outbox import Telling
from gatekeep.identity.people import PeopleBook
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.identity.tokens import TokenDesk
from gatekeep.identity.totp import OneTimeCodes, code_at
from gatekeep.policy.loading import load
from gatekeep.runtime.clock import random_bytes
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.people import PeopleBooks
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
POLICY = """
@id("sessions") @why("engineers open sessions")
permit(principal in Group::"engineers", action == Action::"session.open", resource);

@id("prod-writes-need-dba") @why("a dba looks at every change") @owner("data-platform")
permit(principal, action in Action::"sql", resource)
when { context has approval && context.approval.groups.contains("dba") };

@id("security") @why("security reads and reviews")
permit(principal in Group::"security", action in
  [Action::"audit.read", Action::"grant.revoke", Action::"review.close"], resource);

@id("dbas-and-suggestions") @why("a dba reads the policy and accepts suggestions")
permit(principal in Group::"dba", action in
  [Action::"policy.read", Action::"suggestion.accept"], resource);

@id("emergencies") @why("engineers may break the glass")
permit(principal in Group::"engineers", action == Action::"breakglass", resource);

@id("owners") @why("owners own it")
permit(principal in Group::"owners", action in Action::"gateway", resource);
"""
_US = 1_000_000


class Crowd(People):
    """Nine principals; `gone` are no principals any more."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()

    def principals(self) -> Sequence[Principal]:
        return [one for one in CROWD if one.name not in self.gone]


class Reader:
    """Reads texts: every statement is a write, an empty one cannot be read."""

    async def read(self, session: Session, text: str) -> SqlAction:
        if text.startswith("?"):
            raise ClientFault("the statement cannot be read")
        known = facts(SqlClass.WRITE, text.split(maxsplit=1)[0], redacted=text, template=text)
        return action(text, known)

    def around(self, session: Session) -> Mapping[str, str]:
        return {"search_path": "public"}


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


def members() -> dict[str, frozenset[str]]:
    """Each group with the persons in it."""
    groups = {group for one in CROWD for group in one.groups}
    return {
        group: frozenset(one.person for one in CROWD if group in one.groups) for group in groups
    }


class ApprovalWorld(World):
    """Everything behind the API, approvals among it. To be made on a running loop."""

    def __init__(self, state: Path) -> None:
        super().__init__()
        self.state = state
        self.clock = MovedClock(wall=START_US, monotonic=90_000_000_000)
        self.people: Crowd = Crowd()
        self.journal = FakeJournal()
        self.policy = PolicyDeskOver(load({"rules.cedar": POLICY}), members(), self.clock)
        self._store = StateStore.open(state / "state.db", bytes(32), self.clock)
        self.tokens = TokenDesk(self._store, self.clock)
        self.tokens.replace_principals({one.name: () for one in CROWD})
        self.token_ids: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self.lock_outs = LockOutBook(self.clock)
        self.noted: list[tuple[EventKind, str, str, str]] = []
        self.bearers = Bearers(
            self.people, self.tokens.holder, self.lock_outs, lambda *said: self.noted.append(said)
        )
        steady = SteadyTime(self.clock)
        self.parts = assemble_approvals(
            Settings(),
            ApprovalParts(
                state=StateStore.open(state / "state.db", bytes(32), self.clock),
                journal=self.journal, policy=self.policy, directory=self.people,
                people=self._standing(), targets=self.book, supervision=self.supervision,
                reader=Reader(), now_us=steady.onward_us, draw=random_bytes,
                set_back_us=steady.set_back_us,
            ),
        )  # fmt: skip
        self.parts.desk.limits = Limits(max_open=500)
        self.desk = self.parts.front
        self.runs = ""
        self.loop = ToldSuggestions()
        self.desk.listen(self._run)
        self._needs: ApiNeeds | None = None

    def _standing(self) -> PeopleBook:
        """Who stands in for whom; the rota says that bob and carol are on call."""
        books, now_us = PeopleBooks(self._store), self.clock.wall_us
        tell = Telling(self._store, self.journal).tell
        people = PeopleBook(
            Delegations(books, self.people, now_us, random_bytes, tell),
            Memberships(books, now_us), now_us,
        )  # fmt: skip
        rota = self.state / "rota"
        rota.write_text("groups: {dba: {turns: [{person: p-bob}, {person: p-carol}]}}")
        people.schedule = load_schedule(rota)
        return people

    def needs(self) -> ApiNeeds:
        if self._needs is None:
            codes = SecondStep(_Codes(self.clock), self.lock_outs, self.clock)
            self._needs = replace(
                super().needs(),
                desk=self.policy,
                clock=self.clock,
                approvals=ApprovalNeeds(self.desk, codes, Waits(self.desk)),
                bearers=self.bearers,
                suggestions=self.loop,
            )
        return self._needs

    def _run(self, what: str, request: ApprovalRequest) -> None:
        """What was approved runs at once, and `runs` is what the target says, if it says anything."""
        if what == "decided" and request.state is RequestState.APPROVED and self.runs:
            self.parts.owner.spawn(self.parts.desk.outcome(request.id, self.runs), name="ran")

    def break_journal(self) -> None:
        """Nothing can be recorded any more."""
        self.journal_down = True
        self.journal.broken_sync = JournalUnavailable("no space")

    async def close(self) -> None:
        """End what runs."""
        await self.parts.close()
        self._store.close()

    def token(self, name: str) -> str:
        """A token of this principal that works, the same each time."""
        if name not in self._tokens:
            row, self._tokens[name] = self.tokens.make(name, ttl_s=None, note="")
            self.tokens.settle(row.id, EventKind.TOKEN_MADE)
            self.token_ids[name] = row.id
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
        asked = await self.parts.desk.ask(
            self.wish(text, by=by, risk=risk, approvers=approvers, **more),
            lambda _approval: True,
            self.grant_for,
        )
        assert isinstance(asked, ApprovalRequest), asked
        self.parts.desk.announce(asked.id, sight)
        return asked

    def wish(
        self,
        text: str = DELETE,
        *,
        by: Principal = ALICE,
        risk: str = "moderate",
        approvers: tuple[tuple[str, ...], ...] = (("dba",),),
        **more: Any,
    ) -> NewRequest:
        """What is asked for such a statement."""
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
        return NewRequest(place, subject, why, digest, reason="ticket OPS-412")

    def grant_for(
        self, request: ApprovalRequest, ballot: Ballot, groups: frozenset[str]
    ) -> Grant | None:
        """What an approval of this scope makes."""
        place = request.place
        now = Situation(
            place.principal, place.target, place.account, place.session, request.why.rule,
            request.subject.verb, request.digest, request.subject.template,
        )  # fmt: skip
        return self.parts.grants.made_of(request, ballot, groups, now)


def yes(request: ApprovalRequest, **more: object) -> dict[str, object]:
    """A ballot for it, by whoever has seen it."""
    return {"verdict": "approve", "digest": request.digest[:12], **more}
