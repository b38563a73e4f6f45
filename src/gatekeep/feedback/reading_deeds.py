"""From an action's event to what the loop keeps of it. What repeats is kept once.

No pairing with answers here, and no judgement of what counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import StoredEvent
from gatekeep.domain.likeness import Likeness
from gatekeep.feedback import pieces
from gatekeep.feedback.deeds import Where
from gatekeep.feedback.likenesses import Likenesses

SHOWN_CHARACTERS: Final = 4096
"""How much of a text is kept; likeness is found from the whole of it."""

_POOLED: Final = 20_000
_SQL: Final = frozenset(
    {"read", "session", "write", "copy", "procedural", "ddl", "dcl", "opaque"}
)
_UNSURE: Final = frozenset({"procedural", "opaque"})
_SURE: Final = frozenset({"exact", "attested"})
_RELEASED: Final = "action.released"
_COMPLETE: Final = ("tables_complete", "columns_complete", "functions_complete")

Value = TypeVar("Value")


class End(NamedTuple):
    """The event by which an action went out or was refused, as far as it says more than its question."""

    request_id: str
    n: int
    at_us: int
    session: str
    text: str
    cause: str
    sample: str


@dataclass(slots=True)  # not frozen: one is made for most events, and handed on at once
class Act:
    """What one event says of one action. `approval` is that of its request, empty if there is none.

    `request` is the normalised request without it. `asked_as` is the id of the request that people
    were asked with, `sample` the rule whose sample it is.
    """

    n: int
    at_us: int
    session: str
    where: Where
    action: str
    verb: str
    text: str
    tags: frozenset[str]
    assurance: str
    surely: bool
    likeness: Likeness | None
    tables_read: tuple[str, ...]
    tables_written: tuple[str, ...]
    request: Mapping[str, Any]
    approval: Mapping[str, Any]
    verdict: Verdict
    rules: tuple[str, ...]
    policy: str
    template: str
    asked_as: str = ""
    sample: str = ""
    cause: str = ""


class DeedReader:
    """Reads acts; the values that many of them share are the same objects."""

    def __init__(self, likenesses: Likenesses | None = None) -> None:
        self._likenesses = likenesses or Likenesses()
        self._pool: dict[Any, Any] = {}
        self._places: dict[tuple[int, int, object, object], Where] = {}
        self._people: dict[str, tuple[str, str, frozenset[str]]] = {}

    def person_of(self, principal: str) -> str:
        """The natural person that a principal was last seen to act for; else the principal."""
        person, owner, _ = self._people.get(principal, ("", "", frozenset()))
        return owner or person or principal

    def met(self, principal: Mapping[str, Any]) -> None:
        """Remember whose a principal is, from `{name person owner groups}`."""
        name = pieces.text(principal, "name")
        if name:
            self._people[name] = (
                pieces.text(principal, "person"), pieces.text(principal, "owner"),
                frozenset(pieces.texts(principal, "groups")),
            )  # fmt: skip

    def end(self, event: StoredEvent, payload: Mapping[str, Any]) -> End:
        """What this event adds to the question that it names."""
        return End(
            pieces.text(payload, "approval"),
            event.n,
            pieces.number(event.envelope, "t"),
            pieces.text(event.envelope, "s"),
            pieces.text(payload, "text")[:SHOWN_CHARACTERS],
            self._keep(pieces.text(payload, "cause")),
            pieces.text(payload, "sample"),
        )

    def act(self, event: StoredEvent, payload: Mapping[str, Any]) -> Act:
        """What this event of an action says."""
        request, decision = pieces.inner(payload, "request"), pieces.inner(payload, "decision")
        ruled = pieces.inner(event.envelope, "g")
        kind = pieces.text(payload, "class")
        assurance, surely = _certainty(payload, request, kind)
        approval, asked_as = pieces.inner(request, "approval"), pieces.text(payload, "approval")
        plain = not approval and not asked_as and event.envelope.get("k") == _RELEASED
        # of a statement that passed unasked its template is all that is counted by
        likeness = None if plain and "assurance" not in payload else self._likenesses.of(payload)
        rule = pieces.text(decision, "rule") or pieces.text(ruled, "rule")
        rules = pieces.texts(decision, "rules") or ((rule,) if rule else ())
        keep = self._keep
        shared = self._request(request)
        template = likeness.template if likeness else pieces.text(payload, "template")
        return Act(
            n=event.n,
            at_us=pieces.number(event.envelope, "t"),
            session=pieces.text(event.envelope, "s"),
            where=self._where(event, payload, shared),
            action=keep(f"sql.{kind}" if kind in _SQL else kind),
            verb=keep(pieces.text(payload, "verb")),
            text=pieces.text(payload, "text")[:SHOWN_CHARACTERS],
            tags=keep(frozenset(pieces.texts(payload, "tags"))),
            assurance=assurance,
            surely=surely,
            likeness=likeness,
            tables_read=keep(pieces.texts(payload, "tables_read")),
            tables_written=keep(pieces.texts(payload, "tables_written")),
            request=shared,
            approval=approval,
            verdict=_verdict(pieces.text(decision, "verdict") or pieces.text(ruled, "decision")),
            rules=keep(rules),
            policy=keep(pieces.text(decision, "policy") or pieces.text(ruled, "policy")),
            template=keep(template[:SHOWN_CHARACTERS]),
            asked_as=asked_as,
            sample=pieces.text(payload, "sample"),
            cause=keep(pieces.text(payload, "cause")),
        )

    def _where(
        self, event: StoredEvent, payload: Mapping[str, Any], request: Mapping[str, Any]
    ) -> Where:
        """Where it was; `request` is a shared one, so its members tell by themselves."""
        who, target = pieces.inner(request, "principal"), pieces.inner(request, "target")
        if not who or not target:
            return self._place(event, payload, request)
        key = (id(who), id(target), request.get("account"), request.get("database"))
        try:
            known = self._places.get(key)
        except TypeError:  # an account that is no name
            return self._place(event, payload, request)
        if known is None:
            known = self._places[key] = self._place(event, payload, request)
        return known

    def _place(
        self, event: StoredEvent, payload: Mapping[str, Any], request: Mapping[str, Any]
    ) -> Where:
        who, target = pieces.inner(request, "principal"), pieces.inner(request, "target")
        session = pieces.inner(payload, "session")
        if who:
            self.met(who)
        name = pieces.text(who, "name") or pieces.text(session, "principal")
        _, owner, groups = self._people.get(name, ("", "", frozenset()))
        return self._keep(
            Where(
                principal=name,
                person=self.person_of(name),
                groups=groups,
                owner=owner,
                target=pieces.text(target, "name") or pieces.text(event.envelope, "x"),
                kind=pieces.text(target, "kind"),
                environment=pieces.text(target, "environment"),
                labels=frozenset(pieces.texts(target, "labels")),
                account=pieces.text(request, "account") or pieces.text(session, "account"),
                database=pieces.text(request, "database") or pieces.text(session, "database"),
            )
        )

    def _request(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request without its approval, its members shared with all the others."""
        members = {name: value for name, value in request.items() if name != "approval"}
        whole = sha256(orjson.dumps(members)).digest()
        known = self._pool.get(whole)
        if known is None:
            made = {self._keep(name): self._member(value) for name, value in members.items()}
            known = self._keep_as(whole, made)
        return known

    def _member(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._keep(value)
        key = sha256(orjson.dumps(value)).digest()
        known = self._pool.get(key)
        return known if known is not None else self._keep_as(key, value)

    def _keep(self, value: Value) -> Value:
        known: Value | None = self._pool.get((type(value), value))
        return known if known is not None else self._keep_as((type(value), value), value)

    def _keep_as(self, key: object, value: Value) -> Value:
        if len(self._pool) >= _POOLED:
            self._pool.clear()
            self._places.clear()  # which are known by what the pool kept alive
        self._pool[key] = value
        return value


def _verdict(word: str) -> Verdict:
    try:
        return Verdict(word)
    except ValueError:
        return Verdict.DENY


def _certainty(
    payload: Mapping[str, Any], request: Mapping[str, Any], kind: str
) -> tuple[str, bool]:
    """How surely it is known what ran, as a word, and whether that is enough."""
    commands = pieces.inners(payload, "commands")
    if commands or "assurance" in payload:
        word = pieces.text(payload, "assurance") or "opaque"
        whole = all(one.get("complete", "destination" in one) is True for one in commands)
        told = payload.get("resolved") is True and "commands_left_out" not in payload
        return word, word in _SURE and told and bool(commands) and whole
    statements = pieces.inners(request, "statements")
    if kind in _UNSURE or not statements:
        return "opaque", False
    complete = all(one.get(name) is True for one in statements for name in _COMPLETE)
    return ("exact", True) if complete else ("inferred", False)
