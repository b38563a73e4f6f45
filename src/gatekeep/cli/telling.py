"""What an event says, in few words: an action's own text, or the facts of another kind. Pure.

Nothing here is made safe for a terminal; whoever prints it does that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gatekeep.domain.sessions import session_code

Payload = Mapping[str, Any]

_FILES: Final = frozenset({"sftp", "scp"})
_TUNNELS: Final = {"in": "tunnel in from", "out": "tunnel to"}
_SESSION_CHARACTERS: Final = 32


def said(kind: str, payload: Payload, session_id: str = "") -> str:
    """An action as a person would name it; of any other event its facts."""
    if kind in {"action.finished", "action.unknown"}:
        return ""
    if kind.startswith("action."):
        return _action(payload)
    tell = _TOLD.get(kind)
    words = tell(payload) if tell is not None else facts(payload)
    if kind == "session.opened" and session_id:
        return f"{session_code(session_id)} {words}"
    return words


def facts(payload: Payload) -> str:
    """What is single in a payload, as `name=value`."""
    return " ".join(
        f"{name}={value}"
        for name, value in payload.items()
        if value not in ("", None) and not isinstance(value, (dict, list))
    )


def duration_words(duration_us: int) -> str:
    """A duration as people say it: `850 µs`, `12 ms`, `3.4 s`."""
    if duration_us < 1000:  # noqa: PLR2004 - microseconds in a millisecond
        return f"{duration_us} µs"
    if duration_us < 1_000_000:  # noqa: PLR2004 - microseconds in a second
        return f"{duration_us // 1000} ms"
    return f"{duration_us / 1_000_000:.1f} s"


def _action(payload: Payload) -> str:
    text, mode = str(payload.get("text", "")), str(payload.get("mode", ""))
    if mode == "shell":
        pty = payload.get("pty")
        return f"interactive shell, {pty}" if pty else "interactive shell"
    if mode in _FILES:
        return _file(payload, text)
    if mode == "tunnel":
        return f"{_TUNNELS.get(str(payload.get('direction', '')), '')} {text}".lstrip()
    if mode == "listen":
        return f"listen on {text}"
    if mode == "line" and payload.get("hidden_bytes"):
        hidden = f"{payload['hidden_bytes']} bytes typed unseen"
        return hidden if text == "hidden_input" else f"{text}  ({hidden})"
    return text


def _file(payload: Payload, text: str) -> str:
    operation = str(payload.get("operation", ""))
    flags = payload.get("flags")
    if operation == "open" and isinstance(flags, list) and flags:
        operation += f" ({' '.join(map(str, flags))})"
    return text if text.startswith(operation) else f"{operation} {text}"


def _opened(payload: Payload) -> str:
    words = f"as {payload.get('account', '')} from {payload.get('source', '')}"
    if payload.get("method"):
        words += f" by {payload['method']}"
    if payload.get("jumped") is True:
        words += ", jumped"
    application = payload.get("application")
    return f"{words} ({application})" if application else words


def _closed(payload: Payload) -> str:
    duration = payload.get("duration_us")
    lasted = f" after {duration_words(duration)}" if isinstance(duration, int) else ""
    return f"{payload.get('reason', '')}{lasted}"


def _channel(payload: Payload) -> str:
    words = f"channel {payload.get('channel', '?')}"
    if payload.get("mode"):
        words += f", {payload['mode']}"
    if "bytes_in" in payload:
        words += f", {payload['bytes_in']} bytes in, {payload.get('bytes_out', 0)} out"
    return words + (f", {payload['fault']}" if payload.get("fault") else "")


def _hidden(payload: Payload) -> str:
    return f"{payload.get('bytes', '?')} bytes typed unseen"


def _hostkey(payload: Payload) -> str:
    known = payload.get("known")
    listed = ", ".join(map(str, known)) if isinstance(known, list) else ""
    words = f"shown {payload.get('shown') or 'none'} at {payload.get('address', '')}"
    return f"known {listed or 'none'}, {words}" if known is not None else words


def _chunk(payload: Payload) -> str:
    seq = payload.get("seq")
    part = seq + 1 if isinstance(seq, int) else 1
    words = f"channel {payload.get('channel', '?')}, part {part}"
    counts = payload.get("counts")
    if isinstance(counts, Mapping):
        words += f", {counts.get('output', 0)} bytes shown so far"
    stdout, stderr = payload.get("stdout"), payload.get("stderr")
    if isinstance(stdout, Mapping) and isinstance(stderr, Mapping):
        words += f", stdout {stdout.get('size')} bytes, stderr {stderr.get('size')} bytes"
    return words + (", the last" if payload.get("final") is True else "")


def _viewed(payload: Payload) -> str:
    return f"{payload.get('way', '')} of {_code(payload.get('session'))} of {payload.get('of', '')}"


def _killed(payload: Payload) -> str:
    whose = f"{_code(payload.get('session'))} of {payload.get('of', '')}"
    return f"{whose}: {payload.get('reason', '')}"


def _read(payload: Payload) -> str:
    query = payload.get("query")
    return f'"{query}", {payload.get("found", 0)} found' if query is not None else facts(payload)


def _code(session: object) -> str:
    text = str(session or "")
    return session_code(text) if len(text) == _SESSION_CHARACTERS else text


_TOLD: Final[Mapping[str, Callable[[Payload], str]]] = {
    "session.opened": _opened,
    "session.closed": _closed,
    "session.killed": _killed,
    "channel.opened": _channel,
    "channel.closed": _channel,
    "line.hidden": _hidden,
    "hostkey.accepted": _hostkey,
    "hostkey.changed": _hostkey,
    "recording.chunk": _chunk,
    "recording.viewed": _viewed,
    "audit.read": _read,
}
