"""From commands, file operations and tunnels to normalised policy requests.

The same rule as for statements: what is not known for sure is named, attribute by attribute, and
`engine` treats it as matching a forbid. No rule is consulted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gatekeep.domain.commands import CommandFacts, SshAction, TunnelFacts
from gatekeep.policy.request import Moment, Place, Question, shown_place, surroundings

_WORDS_UNKNOWN: Final = frozenset({"argv", "flags", "paths", "tags"})
_ALL_UNKNOWN: Final = _WORDS_UNKNOWN | {"program"}
_HIDDEN: Final = "***"


def command_questions(place: Place, action: SshAction, now: Moment | None) -> list[Question]:
    """All that must be permitted for one action; one question for each of its facts."""
    around, absent = surroundings(place, now)
    return [_question(action, fact, around, absent) for fact in action.facts]


def hides(action: SshAction) -> bool:
    """Whether something was taken out of its text, so that words of it may be secrets."""
    return bool(action.redacted) and action.redacted != action.text


def shown_words(action: SshAction, words: Iterable[str]) -> list[str]:
    """Words for the record, sorted: those that the redacted text has not are not shown."""
    if not hides(action):
        return sorted(set(words))
    return sorted({word if word in action.redacted else _HIDDEN for word in words})


def command_request_json(place: Place, action: SshAction, now: Moment | None) -> bytes:
    """The whole normalised request: sorted keys, sets as sorted lists.

    It is `masked` where words may be secrets: those stand there as `***`.
    """
    shown = {
        **shown_place(place, now),
        "assurance": action.assurance.value,
        "commands": [
            {"action": fact.action, **{k: v for k, v in _shown(action, fact).items() if v != []}}
            for fact in action.facts
        ],
        "mode": action.mode,
        "resolved": action.resolved,
        **({"masked": True} if hides(action) else {}),
    }
    return orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)


def _question(
    action: SshAction,
    fact: CommandFacts | TunnelFacts,
    around: Mapping[str, Any],
    absent: frozenset[str],
) -> Question:
    if isinstance(fact, TunnelFacts):
        context = {**around, **_tunnel(action, fact)}
        if not fact.address:
            absent |= {"address"}
        else:
            context["address"] = {"__extn": {"fn": "ip", "arg": fact.address}}
        return Question(fact.action, context, absent)
    if fact.action == "agent.forward":
        return Question(fact.action, around, absent)
    unknown = _unknown(action, fact)
    context = {
        **around,
        **_command(action, fact),
        "assurance": action.assurance.value,
        "mode": action.mode,
        "resolved": action.resolved,
    }
    return Question(fact.action, context, absent | unknown)


def _unknown(action: SshAction, fact: CommandFacts) -> frozenset[str]:
    """What is not known for sure: of a command whose program is a literal word, its other words."""
    if not action.resolved or (not fact.complete and not fact.program):
        return _ALL_UNKNOWN
    return frozenset() if fact.complete else _WORDS_UNKNOWN


def _shown(action: SshAction, fact: CommandFacts | TunnelFacts) -> dict[str, Any]:
    if isinstance(fact, TunnelFacts):
        return {**_tunnel(action, fact), "address": fact.address}
    words = {name: shown_words(action, getattr(fact, name)) for name in ("argv", "flags", "paths")}
    return {**_command(action, fact), **words}


def _command(action: SshAction, fact: CommandFacts) -> dict[str, Any]:
    tags = sorted(fact.tags | action.tags)
    return {
        "argv": sorted(set(fact.argv)),
        "complete": fact.complete,
        "flags": sorted(fact.flags),
        "known_tags": tags,
        "paths": sorted(fact.paths),
        "program": fact.program,
        "tags": tags,
    }


def _tunnel(action: SshAction, fact: TunnelFacts) -> dict[str, Any]:
    tags = sorted(fact.tags | action.tags)
    return {
        "destination": fact.destination,
        "known_tags": tags,
        "port": fact.port,
        "resolved_by": fact.resolved_by,
        "tags": tags,
    }
