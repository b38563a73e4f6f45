"""Builds the payloads of action events as JSON bytes, reusing every part that was encoded before.

No decisions here: only what is written down about them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from gatekeep.domain.actions import BoundValue, SqlAction, SqlFacts, WhereClause
from gatekeep.domain.outcomes import Outcome
from gatekeep.domain.sessions import Session
from gatekeep.gate.ports import Judgement

_FACTS_KEPT: Final = 4096
_LONGEST_KEPT: Final = 16_384  # characters of facts that are worth keeping


class Waited(NamedTuple):
    """What an action waited for: the approval request, and the adopted rule it is a sample of."""

    request: str = ""
    sample: str = ""


NOTHING: Final = Waited()


def session_fragment(session: Session) -> bytes:
    """The `session` member of an action's payload."""
    return orjson.dumps(
        {
            "account": session.account,
            "database": session.database,
            "principal": session.principal.name,
        }
    )


class EvidenceWriter:
    """Encodes actions and outcomes for the journal; one for the whole gateway."""

    def __init__(self) -> None:
        self._facts: dict[int, tuple[tuple[SqlFacts, ...], bytes]] = {}

    @property
    def kept(self) -> int:
        """How many encoded facts are at hand."""
        return len(self._facts)

    def action(
        self,
        action: SqlAction,
        judgement: Judgement,
        session: bytes,
        *,
        cause: bytes = b"",
        waited: Waited = NOTHING,
    ) -> bytes:
        """Payload of `action.released` (no `cause`), `action.requested` or `action.refused`."""
        parameters = _parameters(action.parameters) if action.parameters else b""
        names = _names(action) if action.statement_name or action.portal_name else b""
        facts = self._facts_fragment(action.facts)
        if waited.request:  # before `mode`, where the index looks for what is searched by key
            facts = _waited(waited) + facts
        mode = action.mode.encode()
        why = b'"cause":"%b",' % cause if cause else b""
        text = orjson.dumps(action.redacted)
        return b'{%b,"decision":%b,"mode":"%b",%b%b%b"request":%b,"session":%b,"text":%b}' % (
            facts,
            judgement.decision_json,
            mode,
            names,
            parameters,
            why,
            judgement.request_json,
            session,
            text,
        )

    def _facts_fragment(self, facts: tuple[SqlFacts, ...]) -> bytes:
        """The facts' members, encoded once per facts (which are shared by shape)."""
        known = self._facts.get(id(facts))
        if known is not None and known[0] is facts:
            return known[1]
        fragment = _encode_facts(facts)
        if len(fragment) + sum(len(fact.redacted) for fact in facts) > _LONGEST_KEPT:
            return fragment
        if len(self._facts) >= _FACTS_KEPT:
            self._facts.clear()
        self._facts[id(facts)] = (facts, fragment)
        return fragment


def outcome_payload(of: int, outcome: Outcome, duration_us: int, details: bytes = b"") -> bytes:
    """Payload of `action.finished`; `of` is the index of the released event.

    `details` is a JSON object with what else is known of the end, such as hashes; empty for none.
    """
    if outcome.sqlstate or outcome.message:
        message, sqlstate = orjson.dumps(outcome.message[:2000]), orjson.dumps(outcome.sqlstate)
        failure = b'"message":%b,"sqlstate":%b,' % (message, sqlstate)
    else:
        failure = b""
    more = b'"details":%b,' % details if details else b""
    kind, status, tag = outcome.kind.encode(), outcome.status.encode(), orjson.dumps(outcome.tag)
    return (
        b'{"bytes_in":%d,"bytes_out":%d,%b"duration_us":%d,%b"of":%d,"outcome":"%b",'
        b'"rows":%d,"status":"%b","tag":%b}'
        % (
            outcome.bytes_in,
            outcome.bytes_out,
            more,
            duration_us,
            failure,
            of,
            kind,
            outcome.rows,
            status,
            tag,
        )
    )


def of_counters(of: int) -> bytes:
    """The envelope's `r` of an event that belongs to an earlier one."""
    return b'{"of":%d}' % of


def outcome_counters(of: int, outcome: Outcome) -> bytes:
    """The envelope's `r` of `action.finished`: the outcome's word can be indexed unopened."""
    kind = outcome.kind.encode()
    return b'{"of":%d,"outcome":"%b"}' % (of, kind)


def _encode_facts(facts: tuple[SqlFacts, ...]) -> bytes:
    members = orjson.dumps(
        {
            "class": strictest_class(facts),
            "columns": _union(fact.columns for fact in facts),
            "functions": _union(fact.functions for fact in facts),
            "source": "; ".join(fact.source for fact in facts if fact.source),
            "statements": len(facts),
            "tables_read": _union(fact.tables_read for fact in facts),
            "tables_written": _union(fact.tables_written for fact in facts),
            "tags": _union(fact.tags for fact in facts),
            "template": "; ".join(fact.template for fact in facts),
            "unproven": "; ".join(fact.unproven for fact in facts if fact.unproven),
            "verb": ", ".join(fact.verb for fact in facts),
            "where": [
                fact.where.value for fact in facts if fact.where is not WhereClause.NOT_APPLICABLE
            ],
        }
    )
    return members[1:-1]


def _union(sets: Iterable[frozenset[str]]) -> list[str]:
    names: set[str] = set()
    for one in sets:
        names |= one
    return sorted(names)


_SEVERITY: Final = ("read", "session", "write", "copy", "procedural", "ddl", "dcl", "opaque")


def strictest_class(facts: tuple[SqlFacts, ...]) -> str:
    """The severest class among the statements of one action; `read` for an empty string."""
    if not facts:
        return _SEVERITY[0]
    return max((fact.sql_class.value for fact in facts), key=_SEVERITY.index)


def _parameters(values: tuple[BoundValue, ...]) -> bytes:
    shown = [
        {"length": value.length, "secret": True} if value.secret
        else value.text if not value.sha256 else {"length": value.length, "sha256": value.sha256}
        for value in values
    ]  # fmt: skip
    encoded = orjson.dumps(shown)
    return b'"parameters":%b,' % encoded


def _waited(waited: Waited) -> bytes:
    request = waited.request.encode()
    if not waited.sample:
        return b'"approval":"%b",' % request
    sample = orjson.dumps(waited.sample)
    return b'"approval":"%b","sample":%b,' % (request, sample)


def _names(action: SqlAction) -> bytes:
    portal, statement = _encoded(action.portal_name), _encoded(action.statement_name)
    return b'"portal":%b,"statement":%b,' % (portal, statement)


def _encoded(name: str) -> bytes:
    """A client's name as JSON; it may hold bytes that are not UTF-8 (as lone surrogates)."""
    return orjson.dumps(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
