"""The payload of events about actions over SSH. No decisions here: only what is written down."""

from __future__ import annotations

from typing import Any

import orjson

from gatekeep.domain.commands import (
    AGENT_FORWARD,
    TUNNEL_LISTEN,
    TUNNEL_OPEN,
    CommandFacts,
    SshAction,
    TunnelFacts,
)
from gatekeep.gate.evidence import NOTHING, Waited
from gatekeep.gate.ports import Judgement
from gatekeep.policy.command_request import shown_words

_MOST_COMMANDS = 256
_WORDS_KEPT = 64
_CLASS_OF = {"tunnel": TUNNEL_OPEN, "listen": TUNNEL_LISTEN, "agent": AGENT_FORWARD}

UNPERMITTED = b'{"decision":"deny"}'
"""The envelope's `g` beside `unpermitted_payload`."""


def command_payload(
    action: SshAction,
    judgement: Judgement,
    session: bytes,
    *,
    cause: bytes = b"",
    waited: Waited = NOTHING,
) -> bytes:
    """Payload of `action.released` (no `cause`), `action.requested` or `action.refused`.

    `class` is the severest Cedar action; `verb` names the programs or what is done. What stands
    before `mode` is all that is searched for by key, and `text` is last: the index reads so.
    """
    facts = action.facts[:_MOST_COMMANDS]
    shown: dict[str, Any] = {
        **({"approval": waited.request} if waited.request else {}),
        **({"sample": waited.sample} if waited.sample else {}),
        "assurance": action.assurance.value,
        "class": action.facts[0].action if action.facts else action.mode,
        "decision": orjson.Fragment(judgement.decision_json),
        "resolved": action.resolved,
        "tags": sorted(action.tags.union(*(fact.tags for fact in facts))),
        "verb": verbs_of(action),
        "mode": action.mode,
        "commands": [_fact(action, fact) for fact in facts],
        "digest": action.digest,
        "request": orjson.Fragment(judgement.request_json),
        "session": orjson.Fragment(session),
        **action.details,
    }
    if cause:
        shown["cause"] = cause.decode()
    if len(action.facts) > _MOST_COMMANDS:
        shown["commands_left_out"] = len(action.facts) - _MOST_COMMANDS
    return orjson.dumps(shown | {"text": action.command})


def unpermitted_payload(mode: str, text: str, cause: str, session: bytes) -> bytes:
    """Payload of `action.refused` for what no rule could permit: nobody was asked about it."""
    return orjson.dumps(
        {
            "class": _CLASS_OF.get(mode, mode),
            "decision": {"rule": "", "verdict": "deny"},
            "verb": mode,
            "mode": mode,
            "cause": cause,
            "session": orjson.Fragment(session),
            "text": text,
        }
    )


def verbs_of(action: SshAction) -> str:
    """What an action is called in few words: its programs, or its mode."""
    programs = dict.fromkeys(
        fact.program for fact in action.facts if isinstance(fact, CommandFacts) and fact.program
    )
    return ", ".join(programs) or action.mode


def _fact(action: SshAction, fact: CommandFacts | TunnelFacts) -> dict[str, Any]:
    if isinstance(fact, TunnelFacts):
        return {
            "action": fact.action,
            "address": fact.address,
            "destination": fact.destination,
            "port": fact.port,
            "resolved_by": fact.resolved_by,
        }
    return {
        "action": fact.action,
        "complete": fact.complete,
        "paths": shown_words(action, fact.paths)[:_WORDS_KEPT],
        "program": fact.program,
        "tags": sorted(fact.tags),
    }
