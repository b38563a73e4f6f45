"""The web pages over a real desk of approvals, with people who have passwords and authenticators.

Journal, policy and archive are fakes that behave; the store, the desk and the door are the real ones.
"""

# ruff: noqa: D102 - the ports say what each method does

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from support.api_world import Archive, Book
from support.clock import MovedClock
from support.fake_journal import FakeJournal
from support.plain_browser import PlainBrowser
from support.told_suggestions import ToldSuggestions

from gatekeep.approval_assembly import ApprovalHalf, ApprovalNeeds, assemble_approvals
from gatekeep.domain.approvals import (
    Approval,
    ApprovalRequest,
    Place,
    RequestKind,
    Subject,
    Why,
)
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Situation, Slot
from gatekeep.domain.identity import Principal
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_values import NewRequest, NotAsked
from gatekeep.gate.ports import Judgement
from gatekeep.gate.supervision import Supervision
from gatekeep.gate.voters import NobodySpecial
from gatekeep.http_assembly import HttpHalf, HttpShared, assemble_http
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.principals import PrincipalEntry, principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_proofs import SshProofBook
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.identity.totp import STEP_S, code_at, decoded_secret
from gatekeep.proxies.folding import Folded, FoldedEvents
from gatekeep.runtime.clock import random_bytes
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.web.health import GatewayNumbers, Health, Readiness
from gatekeep.web.pages.needs import SlackInvitation, SlackLink

_CHEAP = PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1)
PASSWORD = "correct horse {name}"  # noqa: S105 - of people who are not
TOTP = {"bob": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "dave": "MFRGGZDFMZTWQ2LKNNWG23TPOA======"}
_LINES = {name: _CHEAP.hash(PASSWORD.format(name=name)) for name in ("alice", "bob", "carol", "dave")}

READY = Readiness(journal_accepting=True, archivist_alive=True, policy_loaded=True, draining=False)
PEOPLE: list[dict[str, Any]] = [
    {"name": "alice", "groups": ["engineers"]},
    {"name": "bob", "groups": ["dba"], "totp": "env:TOTP_bob"},
    {"name": "carol", "groups": ["dba", "security"]},
    {"name": "dave", "groups": ["dba"], "totp": "env:TOTP_dave"},
    {"name": "erin", "groups": ["engineers"]},
]


def no_reading(*_: object) -> Any:
    """Nothing is asked ahead of time by its text here."""
    raise AssertionError("nobody reads texts here")


class Circle:
    """The principals that there are; tests change them."""

    def __init__(self, principals: Sequence[Principal]) -> None:
        self.kept = {one.name: one for one in principals}

    def principal(self, name: str) -> Principal | None:
        return self.kept.get(name)

    def principals(self) -> Sequence[Principal]:
        return tuple(self.kept.values())


class Special(NobodySpecial):
    """What is known of persons: who stands in for whom, and who is on call. Tests fill it."""

    def __init__(self) -> None:
        self.stand_ins: list[Delegation] = []
        self.called: list[OnCall] = []

    def lent_to(self, person: str) -> Mapping[str, frozenset[str]]:
        return {one.person: one.groups for one in self.stand_ins if one.delegate_person == person}

    def delegations(self, *, live: bool) -> Sequence[Delegation]:
        return tuple(self.stand_ins)

    def all_on_call(self) -> Sequence[OnCall]:
        return tuple(self.called)


_RIGHTS = {
    ("security", "audit.read"), ("security", "policy.read"), ("security", "review.close"),
    ("dba", "suggestion.accept"),
}  # fmt: skip


class GroupRules:
    """Policy on gatekeep itself: security reads what others did, dba accept suggestions."""

    version = "7f3a9c2"

    def judge_gateway(self, principal: Principal, verb: str) -> Judgement:
        allowed = any((group, verb) in _RIGHTS for group in principal.groups)
        decision = Decision(
            Verdict.ALLOW if allowed else Verdict.DENY, "reading", "because", self.version
        )
        return Judgement(decision, b"{}", b"{}", b'{"decision":"allow"}' if allowed else b"{}")


@dataclass
class SlackAccount:
    """A linked account, or an invitation to link one."""

    workspace: str = "acme"
    account: str = "U024BE7LH"
    display_name: str = "bobby"
    linked_us: int = 1_700_000_000_000_000
    instruction: str = "send link to @gatekeep."
    ends_us: int = 1_700_000_600_000_000


class FakeSlack:
    """Links whoever gives the code that was shown."""

    code = "SHOWN-4711"

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self.links: dict[str, SlackLink] = {}

    async def linked(self, principal: Principal) -> SlackLink | None:
        return self.links.get(principal.name)

    async def begin(self, principal: Principal) -> SlackInvitation:
        self.begun.add(principal.name)
        return SlackAccount()

    async def finish(self, principal: Principal, code: str) -> SlackLink:
        if principal.name not in self.begun or code != self.code:
            raise NotPermitted("no account was shown this code")
        self.links[principal.name] = SlackAccount()
        return self.links[principal.name]


@dataclass
class PageWorld:
    """Everything; `folded` are failed sign-ins, the journal's events what was recorded."""

    clock: MovedClock
    journal: FakeJournal
    circle: Circle
    half: ApprovalHalf
    web: HttpHalf
    archive: Archive
    folds: FoldedEvents
    folded: list[Folded]
    state_db: Path
    proofs: SshProofBook
    secrets: SecretReader
    slack: FakeSlack
    special: Special
    loop: ToldSuggestions
    browsers: list[PlainBrowser] = field(default_factory=list)
    enough: bool = True

    @property
    def base(self) -> str:
        return f"http://localhost:{self.web.door.port}"

    @classmethod
    async def open(
        cls, place: Path, *, http: dict[str, Any] | None = None, slack: bool = True,
        loop: bool = True,
    ) -> PageWorld:
        clock, journal = MovedClock(), FakeJournal()
        secrets = SecretReader(
            {f"TOTP_{name}": text for name, text in TOTP.items()}
            | {f"PASSWORD_{name}": line for name, line in _LINES.items()}
        )
        entries = principals_of({"principals": people()}, "p.yaml")
        circle, rules = Circle([one.principal for one in entries]), GroupRules()
        settings = Settings(http={"port": 0, **(http or {})}, state_dir=place)  # type: ignore[arg-type]  # pydantic reads it
        steady, special = SteadyTime(clock), Special()
        state_db = place / "state.db"
        half = assemble_approvals(
            settings,
            ApprovalNeeds(
                state=StateStore.open(state_db, bytes(32), clock), journal=journal, policy=rules,  # type: ignore[arg-type]  # fakes of what is used
                directory=circle, people=special, targets=Book(), supervision=Supervision(),  # type: ignore[arg-type]  # fakes of what is used
                reader=no_reading, now_us=steady.onward_us, draw=random_bytes,
                set_back_us=steady.set_back_us,
            ),
        )  # fmt: skip
        folded: list[Folded] = []
        folds = FoldedEvents(clock, folded.append)
        proofs, archive, linking = SshProofBook(entries, secrets, clock), Archive(), FakeSlack()
        told = ToldSuggestions()
        web = assemble_http(
            settings, entries, secrets,
            HttpShared(
                Health(lambda: READY, GatewayNumbers), half.front, circle, rules, archive, journal,  # type: ignore[arg-type]  # fakes of what is used
                proofs, LockOutBook(clock), folds, clock, steady.now_us, random_bytes,
                linking if slack else None, told if loop else None,
            ),
        )  # fmt: skip
        await web.door.start()
        return cls(
            clock, journal, circle, half, web, archive, folds, folded, state_db, proofs, secrets,
            linking, special, told,
        )  # fmt: skip

    async def close(self) -> None:
        for browser in self.browsers:
            await browser.close()
        await self.web.close()
        await self.half.close()

    # people

    def browser(self) -> PlainBrowser:
        """A browser that nobody has signed in with."""
        made = PlainBrowser(self.base)
        self.browsers.append(made)
        return made

    async def signed_in(self, name: str) -> PlainBrowser:
        """A browser with which this person is signed in."""
        browser = self.browser()
        await browser.get("/sign-in")
        await browser.press("Sign in", **self.proof(name))
        assert browser.now.path == "/inbox", browser.now.alert
        return browser

    def proof(self, name: str) -> dict[str, str]:
        """What this person fills in to sign in."""
        return {"name": name, "password": PASSWORD.format(name=name), "code": self.code(name)}

    def code(self, name: str) -> str:
        """What this person's telephone shows; the next one, if this was used."""
        secret = decoded_secret(TOTP.get(name, ""))
        if secret is None:
            return ""
        return code_at(secret, self.clock.wall_us() // 1_000_000 // STEP_S)

    def next_code(self, name: str) -> str:
        """Wait until the telephone shows another one."""
        self.clock.pass_s(STEP_S)
        return self.code(name)

    # requests

    async def ask(self, text: str = "DELETE FROM customers", **changes: Any) -> ApprovalRequest:
        """Something waits for a person."""
        place = Place(
            "alice", "alice", "orders-prod", "app_rw", database="shop", source="10.1.4.7",
            session="5e" * 16, session_code="S-8QZ4ABCD", groups=frozenset({"engineers"}),
        )  # fmt: skip
        subject = Subject(
            RequestKind.STATEMENT, "DELETE", text, changes.pop("template", f"exact:{hash(text)}"),
            tags=frozenset({"destructive"}), unbound=("the rows that it meets when it runs",),
            facts={"scopes": ["template", "session"], "slots": SLOTS},
        )  # fmt: skip
        why = Why(
            "prod-writes", "Writes on production are looked at.", "7f3a9c2b11", (("dba",),),
            title="Writes need a dba", risk="moderate", owner="data-platform",
        )  # fmt: skip
        parts: dict[str, Any] = {"place": place, "subject": subject, "why": why}
        for name in list(changes):
            part, _, attribute = name.partition("__")
            if attribute:
                parts[part] = replace(parts[part], **{attribute: changes.pop(name)})
        sight = changes.pop("sight", {})
        wish = NewRequest(**parts, digest="9c41d07be2aa" + "5" * 52, **changes)
        asked = await self.half.desk.ask(wish, self._enough, self._grant)
        assert not isinstance(asked, NotAsked), asked
        self.half.desk.announce(asked.id, sight)
        found = await self.half.front.request(asked.id)
        assert found is not None
        return found

    def _enough(self, _approval: Approval) -> bool:
        return self.enough

    def _grant(self, request: ApprovalRequest, ballot: Any, groups: frozenset[str]) -> Any:
        slots = tuple(Slot(one["number"], one["type"], one["value"]) for one in SLOTS)
        now = Situation(
            request.place.principal, request.place.target, request.place.account,
            request.place.session, request.why.rule, request.subject.verb, "00" * 32,
            template=request.subject.template, slots=slots,
        )  # fmt: skip
        return self.half.grants.made_of(request, ballot, groups, now)

    async def now(self, request: ApprovalRequest) -> ApprovalRequest:
        """The request as it stands."""
        found = await self.half.front.request(request.id)
        assert found is not None
        return found

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in state.db."""
        store = StateStore.open_to_read(self.state_db, bytes(32), self.clock)
        try:
            names = [
                str(row[0]) for row in store.connection.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
                )
            ]  # fmt: skip
            return {
                name: list(store.connection.execute(f'SELECT * FROM "{name}"'))  # noqa: S608 - names of the schema
                for name in names
            }
        finally:
            store.close()

    def recorded(self, kind: EventKind) -> list[dict[str, Any]]:
        """The payloads of the events of this kind."""
        return [one.payload for one in self.journal.events if one.kind is kind]


SLOTS = [
    {"number": 1, "type": "number", "value": "42"},
    {"number": 2, "type": "string", "value": "'tenant-7'", "sensitive": True},
]


def people() -> list[dict[str, Any]]:
    """principals.yaml of this world; erin has no password."""
    return [
        {**one, **({"password": f"env:PASSWORD_{one['name']}"} if one["name"] in _LINES else {})}
        for one in PEOPLE
    ]


def entries_of(people_: Sequence[dict[str, Any]]) -> tuple[PrincipalEntry, ...]:
    """Entries of a changed principals.yaml."""
    return principals_of({"principals": list(people_)}, "p.yaml")
