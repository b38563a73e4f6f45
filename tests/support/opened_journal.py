"""Everything that a gateway's log holds, opened: for tests that look for what must not be there."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from support.gateway import Gateway

from gatekeep.recordings.chunks import OUTPUT, TOLD, decode_chunk, unpack


def events(gateway: Gateway, query: str = "") -> list[dict[str, Any]]:
    """All events of a running gateway that match, whole, oldest first."""
    answer = gateway.run("audit", "search", query, "--limit", "100000", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return sorted(found, key=lambda event: event["n"])


def everything(gateway: Gateway) -> bytes:
    """The bytes of every payload, with recordings unpacked."""
    pieces: list[bytes] = []
    for event in events(gateway):
        payload = event["payload"] or {}
        pieces.append(json.dumps(payload).encode())
        if payload.get("codec", "").startswith("records"):
            pieces.append(decode_chunk(payload).records)
        elif payload.get("codec") == "ends":
            for stream in ("stdout", "stderr"):
                pieces += [base64.b64decode(payload[stream][end]) for end in ("first", "last")]
    return b"\0".join(pieces)


def recorded(gateway: Gateway, code: str) -> tuple[bytes, list[bytes]]:
    """What a target showed in a session's terminal, and our own words to it."""
    chunks = events(gateway, f"session:{code} kind:recording.chunk")
    assert chunks[-1]["payload"]["final"] is True
    records = [one for chunk in chunks for one in unpack(decode_chunk(chunk["payload"]).records)]
    shown = b"".join(one.data for one in records if one.code == OUTPUT)
    return shown, [one.data for one in records if one.code == TOLD]


def without(seen: bytes, words: list[bytes]) -> bytes:
    """What a person saw, less our words and all line ends: a client shows both streams in its own order.

    Below a line that is edited each row of ours begins with what clears its place.
    """
    left = unbroken(seen)
    for one in words:
        rows = [_ROW + re.escape(row) for row in one.split(b"\r\n") if row]
        left, count = re.subn(_DOWN + b"".join(rows), b"", left, count=1)
        assert count, f"{one!r} was not shown"
    return left


_ROW = rb"(?:\x1b\[K)?"
_DOWN = rb"(?:\x1b\[[0-9]+B)?"


def unbroken(shown: bytes) -> bytes:
    """Without line ends."""
    return shown.replace(b"\r", b"").replace(b"\n", b"")
