"""Domain values as the JSON of the API. Secrets and secret references never take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target
from gatekeep.gate.ports import StoredEvent, TokenRow

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


def found_shape(event: StoredEvent) -> Shape:
    """An event as a search finds it: an action has what became of it (null while unknown) beside."""
    return event_shape(event) | {"outcome_n": event.outcome_n, "outcome": event.outcome}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    raise TypeError(type(value).__name__)
