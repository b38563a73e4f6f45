"""A small gateway world behind the API: fakes that behave, kept in memory."""

# ruff: noqa: D102 - the ports say what each method does

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.events import EventKind, Receipt
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Account, Target, TargetKind
from gatekeep.errors import ClientFault, JournalUnavailable, NotPermitted, SettingsError
from gatekeep.gate.policy_ports import PolicyRecord, PolicyWish
from gatekeep.gate.ports import (
    Judgement,
    ScramSecrets,
    SearchQuery,
    StoredEvent,
    TokenRow,
)
from gatekeep.gate.supervision import LiveSession, Supervision
from gatekeep.recordings.live import LiveRecordings
from gatekeep.web.access import ApiNeeds, SshDoorFacts

ALICE = Principal("alice", "p-alice", frozenset({"engineers"}))
CAROL = Principal("carol", "p-carol", frozenset({"security"}))
OWNER = Principal("owner", "owner", frozenset({"owners"}))
ORDERS = Target(
    "orders",
    TargetKind.POSTGRES,
    "127.0.0.1",
    5432,
    "shop",
    {"app": Account("app", "env:SECRET_APP"), "dba": Account("dba", "env:SECRET_DBA")},
    environment="prod",
    owner="bob",
)


WEB = Target(
    "web-1", TargetKind.SSH, "10.0.0.1", 2222, accounts={"app": Account("app", "env:SECRET_WEB")}
)
DOOR = SshDoorFacts(
    "gw.example:2222", "SHA256:abc", "@cert-authority gatekeep.* ssh-ed25519 AAAAC3Nz"
)


class HeldClock:
    """A clock that stands still."""

    def wall_us(self) -> int:
        return 1_760_000_000_000_000

    def monotonic_ns(self) -> int:
        return 90_000_000_000


class Rules:
    """Who may do what: a table of (group, verb); opening targets is a table of accounts."""

    version = "7f3a9c2"

    def __init__(self) -> None:
        self.gateway = {("security", "audit.read"), ("security", "session.watch")}
        self.accounts = {"alice": {"app"}}
        self.asking: set[str] = set()

    def _judge(self, verdict: Verdict, rule: str) -> Judgement:
        decision = Decision(verdict, rule, "because", self.version, owner="olga")
        envelope = {"decision": verdict.value, "policy": self.version, "rule": rule}
        return Judgement(decision, b"{}", b"{}", json.dumps(envelope).encode())

    def may_open(self, session: Session) -> Judgement:
        allowed = session.account in self.accounts.get(session.principal.name, set())
        return self._judge(Verdict.ALLOW if allowed else Verdict.DENY, "open")

    def may_replicate(self, session: Session) -> Judgement:
        return self._judge(Verdict.DENY, "")

    def only_reads(self, session: Session) -> bool:
        return False

    def judge_command(self, session: object, action: object) -> Judgement:
        return self._judge(Verdict.DENY, "")

    def judge(self, session: Session, action: Any) -> Judgement:
        return self._judge(Verdict.DENY, "")

    def judge_gateway(self, principal: Principal, verb: str) -> Judgement:
        if verb in self.asking:
            return self._judge(Verdict.ASK, "ask-first")
        allowed = "owners" in principal.groups or any(
            (group, verb) in self.gateway for group in principal.groups
        )
        return self._judge(Verdict.ALLOW if allowed else Verdict.DENY, "gateway-rule")


class People:
    """Three principals; the uid of the caller is looked up in `uids`."""

    def __init__(self) -> None:
        self.uids: dict[int, Principal] = {}

    def principal(self, name: str) -> Principal | None:
        return next((one for one in self.principals() if one.name == name), None)

    def principals(self) -> Sequence[Principal]:
        return (ALICE, CAROL, OWNER)

    def principal_of_uid(self, uid: int) -> Principal | None:
        return self.uids.get(uid)

    def scram_secrets(self, name: str) -> ScramSecrets:
        return ScramSecrets(b"salt", 4096, ())


class Book:
    """One target, unless a test adds some."""

    def __init__(self) -> None:
        self.kept = [ORDERS]

    def target(self, name: str) -> Target | None:
        return next((one for one in self.kept if one.name == name), None)

    def targets(self) -> Sequence[Target]:
        return tuple(self.kept)

    def secret(self, reference: str) -> str:
        raise SettingsError("not here")


class Archive:
    """Events in a list; tails follow it until `finish`."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.asked: list[SearchQuery] = []
        self.fault: BaseException | None = None
        self.ends_after: int | None = None
        self.tails = 0
        self.no_tails = asyncio.Event()
        self._more = asyncio.Event()

    def add(self, event: StoredEvent) -> None:
        self.events.append(event)
        self._more.set()

    async def search(self, query: SearchQuery) -> Sequence[StoredEvent]:
        if self.fault is not None:
            raise self.fault
        self.asked.append(query)
        newest = [
            e for e in reversed(self.events) if query.before_n is None or e.n < query.before_n
        ]
        return newest[: query.limit]

    async def event(self, n: int) -> StoredEvent | None:
        return next((e for e in self.events if e.n == n), None)

    async def tail(self, from_n: int | None = None) -> AsyncIterator[StoredEvent]:
        self.tails += 1
        position = len(self.events) if from_n is None else from_n
        try:
            while True:
                while position < len(self.events):
                    yield self.events[position]
                    position += 1
                    if position == self.ends_after:
                        return
                self._more.clear()
                await self._more.wait()
        finally:
            self.tails -= 1
            if not self.tails:
                self.no_tails.set()


class TokenDrawer:
    """Tokens in a list; `secrets` are what was ever handed out."""

    def __init__(self) -> None:
        self.kept: list[TokenRow] = []
        self.settled: list[tuple[str, EventKind]] = []

    def make(self, principal: str, *, ttl_s: int | None, note: str) -> tuple[TokenRow, str]:
        if principal not in {"alice", "carol", "owner"}:
            raise NotPermitted(f"no principal {principal}")
        number = f"tk{len(self.kept):04d}"
        row = TokenRow(number, principal, 1_000_000, (ttl_s or 0) * 1_000_000, 0, note)
        self.kept.append(row)
        return row, f"gk_{number}_secret"

    def revoke(self, token_id: str) -> TokenRow:
        places = [i for i, row in enumerate(self.kept) if row.id.startswith(token_id)]
        if len(places) != 1:
            raise KeyError(token_id)
        self.kept[places[0]] = replace(self.kept[places[0]], revoked_us=2_000_000)
        return self.kept[places[0]]

    def settle(self, token_id: str, kind: EventKind) -> TokenRow:
        self.settled.append((token_id, kind))
        return next(row for row in self.kept if row.id == token_id)

    def rows(self, principal: str | None = None) -> Sequence[TokenRow]:
        return [row for row in reversed(self.kept) if principal in (None, row.principal)]


class Shelf:
    """Policy versions in a list, newest first; `files` is what an apply would put into force."""

    single_person = False

    def __init__(self) -> None:
        self.kept = [PolicyRecord("7f3a9c2" + "0" * 57, {"a.cedar": "permit;"}, 5, {"by": "start"})]
        self.files = PolicyRecord("8b1c" + "1" * 60, {"a.cedar": "forbid;"}, 6)
        self.loosens: tuple[str, ...] = ()
        self.fault: SettingsError | None = None
        self.wishes: list[PolicyWish] = []

    async def apply(self, wish: PolicyWish) -> Mapping[str, Any]:
        if self.fault is not None:
            raise self.fault
        self.wishes.append(wish)
        before = next(one for one in self.kept if not one.held)
        facts = {"by": wish.by, "via": wish.via, "reason": wish.reason, "rules": 1}
        self.kept.insert(0, replace(self.files, facts=facts, held=bool(self.loosens)))
        rules = before if self.loosens else self.files
        return {
            "policy": rules.digest, "before": before.digest, "files": self.files.digest,
            "held": list(self.loosens), "added": ["x"], "removed": [], "changed": [],
        }  # fmt: skip

    def history(self, limit: int) -> Sequence[PolicyRecord]:
        return self.kept[:limit]

    def named(self, prefix: str) -> Sequence[PolicyRecord]:
        if prefix == "active":
            return [one for one in self.kept if not one.held][:1]
        return [one for one in self.kept if one.digest.startswith(prefix)]


@dataclass
class World:
    """Everything behind the API; `recorded` is what was made durable, in order."""

    rules: Rules = field(default_factory=Rules)
    people: People = field(default_factory=People)
    archive: Archive = field(default_factory=Archive)
    drawer: TokenDrawer = field(default_factory=TokenDrawer)
    shelf: Shelf = field(default_factory=Shelf)
    supervision: Supervision = field(default_factory=Supervision)
    recordings: LiveRecordings = field(default_factory=LiveRecordings)
    recorded: list[tuple[EventKind, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    journal_down: bool = False
    policy_fault: SettingsError | None = None
    reloads: int = 0
    book: Book = field(default_factory=Book)
    door: SshDoorFacts | None = None

    async def record(self, kind: EventKind, payload: bytes, decision: bytes) -> Receipt:
        if self.journal_down:
            raise JournalUnavailable("no space", cause="ENOSPC on /secret/place")
        self.recorded.append((kind, json.loads(payload), json.loads(decision or b"{}")))
        return Receipt(len(self.recorded), 1)

    async def reload(self, wish: PolicyWish) -> Mapping[str, Any]:
        if self.policy_fault is not None:
            raise self.policy_fault
        self.reloads += 1
        held = list(self.shelf.loosens)
        return {"policy": "8a8a8a8", "principals": 3, "targets": 1, "held": held}

    def open_session(self, principal: Principal, code: str) -> None:
        session = Session(code * 32, principal, ORDERS, "app", "postgres", "10.1.4.7", "shop")
        self.supervision.register(
            LiveSession(session, _Chain(code * 32), 30_000_000_000, lambda _reason: None, 4, 1)
        )

    def needs(self) -> ApiNeeds:
        return ApiNeeds(
            directory=self.people,
            book=self.book,
            desk=self.rules,
            archive=self.archive,
            tokens=self.drawer,
            live_sessions=self.supervision,
            parse_query=parse_words,
            record=self.record,
            reload=self.reload,
            policies=self.shelf,
            clock=HeldClock(),
            recordings=self.recordings,
            ssh=self.door,
        )


@dataclass(frozen=True)
class _Chain:
    session_id: str


def parse_words(text: str) -> SearchQuery:
    """`key:value` pairs are terms, the rest is text; a lone colon is a fault."""
    pairs = [tuple(word.split(":", 1)) for word in text.split() if ":" in word]
    if any(not key or not value for key, value in pairs):
        raise ClientFault("a key needs a value", cause="x")
    rest = " ".join(word for word in text.split() if ":" not in word)
    return SearchQuery(terms=tuple((key, value) for key, value in pairs), text=rest)


def released(
    n: int, *, principal: str = "alice", text: str = "select 1", **more: Any
) -> StoredEvent:
    """An `action.released` event as the archive gives it back."""
    verdict = more.pop("verdict", "allow")
    return StoredEvent(
        n,
        {
            "k": "action.released",
            "n": n,
            "s": "a" * 32,
            "t": 1_760_000_000_000_000 + n,
            "x": "orders",
            "g": {"decision": verdict, "rule": "r1", "policy": "7f3a9c2"},
        },
        {
            "text": text,
            "class": "read",
            "verb": "SELECT",
            "session": {"principal": principal, "account": "app", "database": "shop"},
            **more,
        },
        "ok",
    )


def finished(n: int, of: int) -> StoredEvent:
    """The `action.finished` event of event `of`."""
    return StoredEvent(
        n,
        {
            "k": "action.finished",
            "n": n,
            "s": "a" * 32,
            "t": 1_760_000_000_000_000 + n,
            "x": "orders",
            "r": {"of": of},
        },
        {"of": of, "outcome": "done", "tag": "SELECT 1", "rows": 1, "duration_us": 1234},
        "ok",
    )
