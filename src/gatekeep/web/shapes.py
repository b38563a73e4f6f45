"""Domain values as the JSON of the API. Secrets and secret references never take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target
from gatekeep.gate.ports import StoredEvent, TokenRow
from gatekeep.gate.supervision import LiveSession

Shape = dict[str, Any]


def json_bytes(value: Any) -> bytes:
    """Compact JSON; sets are sorted lists, any mapping is an object."""
    return orjson.dumps(value, default=_plain)


def principal_shape(principal: Principal) -> Shape:
    """A principal as listed."""
    return {
        "name": principal.name,
        "person": principal.person,
        "groups": sorted(principal.groups),
        "owner": principal.owner,
        "os_user": principal.os_user,
    }


def target_shape(target: Target, accounts: list[str]) -> Shape:
    """A target with the accounts that the caller may use; not its secrets."""
    return {
        "name": target.name,
        "kind": target.kind.value,
        "accounts": accounts,
        "database": target.database,
        "environment": target.environment,
        "labels": sorted(target.labels),
        "owner": target.owner,
        "address": f"{target.host}:{target.port}",
        "tls": target.tls.value,
    }


def session_shape(live: LiveSession, *, now_ns: int) -> Shape:
    """A live session; `open_s` is how long it has been open, in seconds."""
    session = live.session
    return {
        "code": session.code,
        "id": session.id,
        "principal": session.principal.name,
        "target": session.target.name,
        "account": session.account,
        "database": session.database,
        "protocol": session.protocol,
        "source": session.source,
        "application": session.application,
        "read_only": session.read_only,
        "open_s": max(0, now_ns - live.opened_ns) // 1_000_000_000,
        "statements": live.statements,
        "refusals": live.refusals,
    }


def token_shape(row: TokenRow) -> Shape:
    """A token as listed; times in microseconds UTC, 0 for never."""
    return {
        "id": row.id,
        "principal": row.principal,
        "created_us": row.created_us,
        "expires_us": row.expires_us,
        "revoked_us": row.revoked_us,
        "note": row.note,
    }


def event_shape(event: StoredEvent) -> Shape:
    """An event whole: index, state, envelope, and the payload (null while sealed)."""
    return {
        "n": event.n,
        "state": event.state,
        "envelope": event.envelope,
        "payload": event.payload,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    raise TypeError(type(value).__name__)
