"""From who, where and facts to normalised policy requests: Cedar's context and canonical JSON.

Facts are upper bounds for forbid and lower bounds for permit: what is not known for sure is
named here, attribute by attribute, and `engine` treats it so. No rule is consulted here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from gatekeep.domain.actions import FUNCTION_CALL, SqlClass, SqlFacts
from gatekeep.domain.approvals import Approval
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target
from gatekeep.policy.schema import NOT_SUPPLIED

GATEWAY: Final = {"type": "Gateway", "id": "gatekeep"}

#: What an empty query string is judged as.
EMPTY_STATEMENT: Final = SqlFacts(SqlClass.READ, "", "", "")

_TABLES_UNKNOWN: Final = frozenset({"tables_read", "tables_written", "tags"})
_COLUMNS_UNKNOWN: Final = frozenset({"columns"})
_FUNCTIONS_UNKNOWN: Final = frozenset({"functions", "tags", "settings", "roles"})
_ALL_SETS: Final = _TABLES_UNKNOWN | _COLUMNS_UNKNOWN | _FUNCTIONS_UNKNOWN
_OPAQUE_UNKNOWN: Final = _ALL_SETS | {"verb", "where", "transaction", "copy_target"}
_PROCEDURAL_UNKNOWN: Final = _ALL_SETS | {"where"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A minute, UTC. `weekday` 1 is Monday."""

    hour: int
    minute: int
    weekday: int


def moment(minutes_since_1970: int) -> Moment:
    """The minute of that number; 1970-01-01 was a Thursday."""
    days, minute = divmod(minutes_since_1970, 1440)
    return Moment(minute // 60, minute % 60, (days + 3) % 7 + 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Who acts and where. `source` is the client's address, empty if it has none."""

    principal: Principal
    target: Target | None
    account: str = ""
    database: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One request for Cedar. `unknown` names the context attributes not known for sure."""

    action: str
    context: Mapping[str, Any]
    unknown: frozenset[str]


def entities(principal: Principal, target: Target | None) -> list[dict[str, Any]]:
    """The Cedar entities of a principal and a target (None: the gateway itself)."""
    groups = [{"type": "Group", "id": name} for name in sorted(principal.groups)]
    made: list[dict[str, Any]] = [
        {
            "uid": principal_uid(principal),
            "attrs": {
                "name": principal.name,
                "person": principal.person,
                "owner": principal.owner,
            },
            "parents": groups,
        },
        *({"uid": group, "attrs": {}, "parents": []} for group in groups),
    ]
    if target is None:
        return [*made, {"uid": GATEWAY, "attrs": {}, "parents": []}]
    parents = [{"type": "Label", "id": name} for name in sorted(target.labels)]
    if target.environment:
        parents.append({"type": "Environment", "id": target.environment})
    made.append(
        {
            "uid": resource_uid(target),
            "attrs": {"name": target.name, "kind": target.kind.value, "owner": target.owner},
            "parents": parents,
        }
    )
    return made + [{"uid": parent, "attrs": {}, "parents": []} for parent in parents]


def principal_uid(principal: Principal) -> dict[str, str]:
    """How Cedar names a principal."""
    return {"type": "Principal", "id": principal.name}


def resource_uid(target: Target | None) -> dict[str, str]:
    """How Cedar names a target, or the gateway."""
    return GATEWAY if target is None else {"type": "Target", "id": target.name}


def sql_question(
    place: Place, facts: SqlFacts, mode: str, now: Moment | None, tags: frozenset[str] = frozenset()
) -> Question:
    """One statement. `tags` are those of the whole action, beside the statement's own."""
    around, absent = surroundings(place, now)
    unknown = _unknown(facts)
    context = {
        **around,
        **_shown_facts(facts, unknown, tags),
        "known_tags": sorted(facts.tags | tags),
        "mode": mode,
    }
    return Question(f"sql.{facts.sql_class.value}", context, unknown | absent)


def sql_questions(
    place: Place,
    facts: Sequence[SqlFacts],
    mode: str,
    now: Moment | None,
    tags: frozenset[str] = frozenset(),
) -> list[Question]:
    """All that must be permitted for one action: its statements, and its way if that is special.

    A FunctionCall is an opaque statement, and `function.call` besides: what lets SQL pass is no
    word on it.
    """
    asked = [sql_question(place, one, mode, now, tags) for one in facts]
    if mode == FUNCTION_CALL:
        asked += [replace(one, action="function.call") for one in asked]
    return asked


def place_question(action: str, place: Place, now: Moment | None) -> Question:
    """`session.open`, or an action on the gateway when the place has no target."""
    around, absent = surroundings(place, now)
    return Question(action, around, absent)


def surroundings(place: Place, now: Moment | None) -> tuple[dict[str, Any], frozenset[str]]:
    """The part of the context that is no fact of a statement, and what of it is not known."""
    context: dict[str, Any] = {}
    absent = set(NOT_SUPPLIED)
    if place.target is not None:
        context["account"] = {"__entity": {"type": "Account", "id": place.account}}
        context["database"] = place.database
    address = _address(place.source)
    if address:
        context["source"] = {"__extn": {"fn": "ip", "arg": address}}
    else:
        absent.add("source")
    if now is not None:
        context["time"] = {"hour": now.hour, "minute": now.minute, "weekday": now.weekday}
    else:
        absent.add("time")
    return context, frozenset(absent)


def approval_context(groups: frozenset[str]) -> dict[str, Any]:
    """The approval that a vote of these groups just now, with a second factor, would be."""
    return {"kind": "vote", "groups": sorted(groups), "mfa": True, "age_s": 0}


def given_approval(approval: Approval) -> dict[str, Any]:
    """An approval that was given, as rules may read it."""
    return {
        "kind": approval.kind,
        "groups": sorted(approval.groups),
        "mfa": approval.mfa,
        "age_s": approval.age_s,
    }


def with_approval(request_json: bytes, approval: Approval) -> bytes:
    """A normalised request, with the approval that it was judged under, and where that comes from."""
    request = orjson.loads(request_json)
    origin = {"request": approval.request, "grant": approval.grant}
    known = {name: value for name, value in origin.items() if value}
    return _dump({**request, "approval": {**given_approval(approval), **known}})


def sql_request_json(
    place: Place,
    facts: Sequence[SqlFacts],
    mode: str,
    now: Moment | None,
    tags: frozenset[str] = frozenset(),
) -> bytes:
    """The whole normalised request of one action: sorted keys, sets as sorted lists."""
    return _dump(
        {
            **shown_place(place, now),
            "mode": mode,
            "statements": [
                {
                    "action": f"sql.{one.sql_class.value}",
                    **{
                        name: value
                        for name, value in _shown_facts(one, _unknown(one), tags).items()
                        if value not in ([], "")
                    },
                }
                for one in facts
            ],
        }
    )


def place_request_json(action: str, place: Place, now: Moment | None) -> bytes:
    """The normalised request of `session.open` or of an action on the gateway."""
    return _dump({**shown_place(place, now), "action": action})


def shown_place(place: Place, now: Moment | None) -> dict[str, Any]:
    """The part of a normalised request that says who acts and where."""
    principal, target = place.principal, place.target
    shown: dict[str, Any] = {
        "principal": {
            "groups": sorted(principal.groups),
            "name": principal.name,
            "owner": principal.owner,
            "person": principal.person,
        },
        "source": place.source,
    }
    if now is not None:
        shown["time"] = {"hour": now.hour, "minute": now.minute, "weekday": now.weekday}
    if target is not None:
        shown["account"] = place.account
        shown["database"] = place.database
        shown["target"] = {
            "environment": target.environment,
            "kind": target.kind.value,
            "labels": sorted(target.labels),
            "name": target.name,
            "owner": target.owner,
        }
    return shown


def _shown_facts(
    facts: SqlFacts, unknown: frozenset[str], tags: frozenset[str]
) -> dict[str, Any]:
    return {
        "columns": sorted(facts.columns),
        "columns_complete": "columns" not in unknown,
        "copy_target": facts.copy_target,
        "functions": sorted(facts.functions),
        "functions_complete": "functions" not in unknown,
        "roles": sorted(facts.roles),
        "settings": sorted(facts.settings),
        "tables_complete": "tables_read" not in unknown,
        "tables_read": sorted(facts.tables_read),
        "tables_written": sorted(facts.tables_written),
        "tags": sorted(facts.tags | tags),
        "transaction": facts.transaction.value,
        "verb": facts.verb,
        "where": facts.where.value,
    }


def _unknown(facts: SqlFacts) -> frozenset[str]:
    """What is not known for sure of a statement (12-threats C6)."""
    if facts.sql_class is SqlClass.OPAQUE:
        return _OPAQUE_UNKNOWN
    if facts.sql_class is SqlClass.PROCEDURAL:
        return _PROCEDURAL_UNKNOWN
    unknown: frozenset[str] = frozenset()
    if not facts.tables_complete:
        unknown |= _TABLES_UNKNOWN
    if not facts.columns_complete:
        unknown |= _COLUMNS_UNKNOWN
    if not facts.functions_complete:
        unknown |= _FUNCTIONS_UNKNOWN
    return unknown


def _address(source: str) -> str:
    """The address in `10.0.0.1`, `10.0.0.1:5000`, `::1` or `[::1]:5000`; empty if there is none."""
    host = source
    if source.startswith("["):
        host = source[1:].partition("]")[0]
    elif source.count(":") == 1:
        host = source.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _dump(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
