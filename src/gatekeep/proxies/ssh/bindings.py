"""What an approval of something over SSH is bound to, as named fields; nothing here is decided.

Who asks, and where as which account, are the gate's own fields. Values are what would be used if it
went out now, never what was asked for once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncssh

from gatekeep.domain.commands import CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.targets import SshWay, Target

Fields = tuple[tuple[str, str], ...]

_SCRIPTS: Final = ("script_sha256", "pinned")
_OPERATIONS: Final = ("operation", "direction")


@dataclass(frozen=True, slots=True)
class Around:
    """What of its channel decides what an action means.

    `kind` is that of the channel: shell, exec, subsystem, or tunnel and listen; `terminal` the type
    of its terminal, `modes` that terminal's. `environment` is what goes on to the target. `agent`:
    the client's agent is lent to what runs.
    """

    kind: str
    terminal: str = ""
    modes: Mapping[int, int] = field(default_factory=dict)
    environment: Mapping[bytes | str, bytes | str] = field(default_factory=dict)
    subsystem: str = ""
    agent: bool = False


def bound(action: SshAction, around: Around, host_key: str, *, shown: str | None = None) -> Fields:
    """The fields, always the same ones and in this order.

    `host_key` tells who the target is. `shown` is the digest of a line as the terminal shows it
    now, where that is what would run.
    """
    exact = action.digest or _hash((action.text,))
    commands = [one for one in action.facts if isinstance(one, CommandFacts)]
    tunnels = [one for one in action.facts if isinstance(one, TunnelFacts)]
    terminal = f"{around.terminal} {_pairs(around.modes)}" if around.terminal else ""
    return (
        ("line" if action.mode == "line" else "command", exact if shown is None else shown),
        ("mode", action.mode),
        ("assurance", action.assurance.value),
        ("script", _hash(str(action.details.get(name, "")) for name in _SCRIPTS)),
        ("operation", " ".join(str(action.details.get(name, "")) for name in _OPERATIONS).strip()),
        ("paths", _hash("\0".join(sorted(one.paths)) for one in commands)),
        ("destination", " ".join(f"{one.destination}:{one.port}" for one in tunnels)),
        ("destination_address", " ".join(f"{one.address} by {one.resolved_by}" for one in tunnels)),
        ("channel", around.kind),
        ("terminal", terminal),
        ("environment", _pairs(around.environment)),
        ("subsystem", around.subsystem),
        ("agent", "lent" if around.agent else ""),
        ("host_key", host_key),
    )


def target_key_of(
    target: Target, reached: asyncssh.SSHClientConnection | None
) -> Callable[[], str]:
    """Tells who the target is, each time by the same: the key that it showed once it was reached.

    Before that it is how its key is to be known; it is signed in to only if that holds.
    """
    if reached is None:
        known = _known(target)
        return lambda: known
    key = reached.get_server_host_key()
    shown = key.get_fingerprint() if key is not None else ""
    return lambda: shown


def _known(target: Target) -> str:
    way = target.ssh or SshWay()
    words = (*way.host_keys, way.host_ca, way.known_hosts, "first use" if way.first_use else "")
    return f"known {_hash(words)}"


def _pairs(pairs: Mapping[bytes | str, bytes | str] | Mapping[int, int]) -> str:
    return _hash(sorted(f"{_text(name)}={_text(value)}" for name, value in pairs.items()))


def _text(value: bytes | str | int) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _hash(parts: Iterable[str]) -> str:
    """SHA-256 over the parts, each with its length; empty where no part says anything."""
    given = list(parts)
    if not any(given):
        return ""
    hashed = hashlib.sha256()
    for part in given:
        data = part.encode("utf-8", "surrogateescape")
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()
