"""Cases over SSH: a command line, or the facts of a command, file operation or tunnel.

How a line becomes facts is handed in, because the policy room knows no shell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from gatekeep.domain.commands import (
    AGENT_FORWARD,
    TUNNEL_LISTEN,
    TUNNEL_OPEN,
    Assurance,
    CommandFacts,
    SshAction,
    TunnelFacts,
)
from gatekeep.errors import SettingsError
from gatekeep.policy.schema import SSH_ACTIONS

ActionOf = Callable[[str, str], SshAction]
"""The action that a command line is, under the Cedar action of that name."""

_TUNNELS: Final = frozenset({TUNNEL_OPEN, TUNNEL_LISTEN})
_COMMAND_KEYS: Final = frozenset(one.name for one in dataclasses.fields(CommandFacts)) - {"action"}
_TUNNEL_KEYS: Final = frozenset(one.name for one in dataclasses.fields(TunnelFacts)) - {"action"}
_WHOLE: Final = frozenset({"resolved", "assurance"})
_SETS: Final = frozenset({"flags", "paths", "tags"})
_MODES: Final[Mapping[str, str]] = {
    "ssh.shell": "shell", "ssh.exec": "exec", "ssh.line": "line", "ssh.opaque": "exec", "tunnel.open": "tunnel",
    "tunnel.listen": "listen", "agent.forward": "agent",
}  # fmt: skip


def is_ssh(action: str) -> bool:
    """Whether this Cedar action is one over SSH."""
    return action in SSH_ACTIONS


def given_action(action: str, given: Mapping[str, Any], file: str, name: str) -> SshAction:
    """The action whose facts a case gives itself. Raises SettingsError naming what is wrong."""
    raw = given.get("facts") or {}
    keys = _TUNNEL_KEYS if action in _TUNNELS else _COMMAND_KEYS | _WHOLE
    unknown = sorted(set(map(str, raw)) - keys) if isinstance(raw, dict) else ["facts"]
    if unknown:
        fix = f"known are {', '.join(sorted(keys))}"
        where = f"case {name}: facts"
        raise SettingsError(f"has an unknown key: {unknown[0]}", file=file, key=where, fix=fix)
    try:
        return _action(action, raw, str(given.get("mode", "")))
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"facts cannot be read: {error}", file=file, key=f"case {name}",
            fix="argv, flags, paths and tags are lists; a tunnel has a destination and a port",
        ) from error  # fmt: skip


def _action(action: str, raw: Mapping[str, Any], mode: str) -> SshAction:
    mode = mode or _MODES.get(action, "sftp")
    values = {key: _value(key, value) for key, value in raw.items() if key not in _WHOLE}
    make: type[TunnelFacts | CommandFacts] = TunnelFacts if action in _TUNNELS else CommandFacts
    facts = make(action, **values)
    text = "" if action == AGENT_FORWARD else " ".join(getattr(facts, "argv", ()))
    return SshAction(
        mode,
        text,
        (facts,),
        assurance=Assurance(raw.get("assurance", "exact")),
        resolved=bool(raw.get("resolved", True)),
    )


def _value(key: str, value: Any) -> Any:
    if key in _SETS:
        return frozenset(map(str, value))
    return tuple(map(str, value)) if key == "argv" else value
