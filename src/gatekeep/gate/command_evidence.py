"""The payload of events about actions over SSH. No decisions here: only what is written down."""

from __future__ import annotations

from typing import Any

import orjson

from gatekeep.domain.commands import CommandFacts, SshAction, TunnelFacts
from gatekeep.gate.ports import Judgement

_MOST_COMMANDS = 256
_WORDS_KEPT = 64


def command_payload(
    action: SshAction, judgement: Judgement, session: bytes, *, cause: bytes = b""
) -> bytes:
    """Payload of `action.released` (no `cause`) or `action.refused`.

    `class` is the severest Cedar action without its room for commands (`exec`, `line`, `read` …);
    `verb` names the programs or what is done.
    """
    facts = action.facts[:_MOST_COMMANDS]
    shown: dict[str, Any] = {
        "assurance": action.assurance.value,
        "class": action.facts[0].action if action.facts else action.mode,
        "commands": [_fact(fact) for fact in facts],
        "decision": orjson.Fragment(judgement.decision_json),
        "digest": action.digest,
        "mode": action.mode,
        "request": orjson.Fragment(judgement.request_json),
        "resolved": action.resolved,
        "session": orjson.Fragment(session),
        "tags": sorted(action.tags.union(*(fact.tags for fact in facts))),
        "text": action.command,
        "verb": verbs_of(action),
        **action.details,
    }
    if cause:
        shown["cause"] = cause.decode()
    if len(action.facts) > _MOST_COMMANDS:
        shown["commands_left_out"] = len(action.facts) - _MOST_COMMANDS
    return orjson.dumps(shown)


def verbs_of(action: SshAction) -> str:
    """What an action is called in few words: its programs, or its mode."""
    programs = dict.fromkeys(
        fact.program for fact in action.facts if isinstance(fact, CommandFacts) and fact.program
    )
    return ", ".join(programs) or action.mode


def _fact(fact: CommandFacts | TunnelFacts) -> dict[str, Any]:
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
        "paths": sorted(fact.paths)[:_WORDS_KEPT],
        "program": fact.program,
        "tags": sorted(fact.tags),
    }
