"""What of an event can be searched for: its keys and its text. Pure; nothing is stored here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

TEXT: Final = b',"text":"'


def text_of(payload: bytes) -> str:
    """The `text` member, which is the last one of an action's payload; empty if it is not."""
    at = payload.rfind(TEXT)
    if at < 0 or not payload.endswith(b'"}'):
        return str(orjson.loads(payload).get("text", ""))
    raw = payload[at + len(TEXT) : -2]
    if b"\\" in raw:
        return str(orjson.loads(b'"' + raw + b'"'))
    return raw.decode()


def search_pairs(envelope: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Search keys of an event, other than those of its session, kind and outcome."""
    decision = payload.get("decision")
    ruled = envelope.get("g", {})
    if isinstance(decision, dict):
        ruled = {"decision": decision.get("verdict", ""), "rule": decision.get("rule", "")} | ruled
    pairs = [("decision", ruled.get("decision")), ("rule", ruled.get("rule"))]
    pairs += [(key, payload.get(key)) for key in ("class", "template", "request", "outcome")]
    pairs.append(("request", payload.get("approval")))
    for key, members in (
        ("tag", ("tags",)), ("table", ("tables_read", "tables_written")),
    ):
        for member in members:
            names = payload.get(member)
            pairs += [(key, name) for name in names] if isinstance(names, list) else []
    if not envelope["k"].startswith("action."):
        pairs += [(key, payload.get(key)) for key in ("principal", "account", "target")]
    if envelope["k"].startswith("suggestion."):
        pairs += [(key, payload.get(key)) for key in ("suggestion", "rule")]
    tables = [value for key, value in pairs if key == "table" and isinstance(value, str)]
    pairs += [("table", name.rpartition(".")[2]) for name in tables]
    return [(key, value) for key, value in pairs if isinstance(value, str) and value]
