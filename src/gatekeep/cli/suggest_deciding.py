"""Accepting a suggestion: shown whole first, then asked, then sent with the digest of what was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gatekeep.cli.approving import answered, can_ask, code_for, confirm
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Format, visible
from gatekeep.cli.suggest_output import lines
from gatekeep.cli.verbs import Call
from gatekeep.feedback.seen import SHOWN_DIGITS
from gatekeep.messages import suggestion_course as course
from gatekeep.messages import suggestions as words

_HEX: Final = frozenset("0123456789abcdef")
_HINT: Final = "gatekeep suggest show ID prints its first 12 digits"


@dataclass(frozen=True, slots=True)
class Yes:
    """What the options say of an acceptance; empty where they do not."""

    reason: str = ""
    narrower: bool = False
    yes: bool = False
    digest: str = ""
    code_file: Path | None = None


def accept_shown(call: Call, path: str, wanted: Yes) -> None:
    """Show the whole change, ask, accept, and tell what came of it. Raises Stop."""
    _check(wanted)
    life: Mapping[str, Any] = call.gateway.get(path)
    for line in lines(life):
        call.screen.say(line)
    name = visible(life["id"])
    if not life["open"]:
        raise Stop(
            f"{name}: {visible(words.standing(life))}",
            why="nothing changed",
            advice=f"gatekeep suggest show {name}",
            code=Exit.DECIDED_OTHERWISE,
        )
    if wanted.narrower and not life["narrower"]:
        raise Stop(f"{name} has no narrower form", why="nothing changed", code=Exit.USAGE)
    if not wanted.yes:
        confirm(visible(words.question(life, narrower=wanted.narrower)))
    reason = wanted.reason if wanted.reason.strip() else answered("Accept: why? ")
    body: dict[str, Any] = {
        "digest": wanted.digest or life["digest"],
        "reason": reason,
        "narrower": wanted.narrower,
    }
    if life["needs_code"] or wanted.code_file is not None:
        body["code"] = code_for(wanted.code_file, "it loosens the policy")
    told_of(call, call.gateway.post(f"{path}/accept", body))


def take_back(call: Call, path: str, reason: str, code_file: Path | None) -> None:
    """Take it back, with a code where that lets more pass. Raises Stop."""
    life: Mapping[str, Any] = call.gateway.get(path)
    body: dict[str, Any] = {"reason": reason}
    if life["return_needs_code"]:
        call.screen.say(visible(words.returning(life)))
        body["code"] = code_for(code_file, "it loosens the policy")
    told_of(call, call.gateway.post(f"{path}/take-back", body))


def told_of(call: Call, came: Mapping[str, Any]) -> None:
    """Say what came of a wish, and where it stands."""
    life = came["suggestion"]
    if call.screen.format is not Format.TABLE:
        call.screen.document(dict(came))
    name = visible(life["id"])
    call.screen.say(f"{visible(came['words'])}", following=f"gatekeep suggest show {name}")
    if life["open"] and life["accepted_by"]:
        call.screen.say(f"◆ {visible(words.needed(life))}")
    else:
        call.screen.say(visible(words.standing(life)))
        if said := course.following(life):
            call.screen.say(visible(said))


def _check(wanted: Yes) -> None:
    """What can be said before anything is asked. Raises Stop (usage)."""
    if wanted.yes and not (wanted.digest and wanted.reason.strip()):
        raise Stop(
            "--yes needs --digest and --reason",
            why="nobody accepts what was not read",
            advice=_HINT,
            code=Exit.USAGE,
        )
    given = wanted.digest.lower()
    if given and (len(given) < SHOWN_DIGITS or not set(given) <= _HEX):
        raise Stop(f"{wanted.digest!r} is no digest", advice=_HINT, code=Exit.USAGE)
    if not wanted.yes and not can_ask():
        raise Stop(
            "nobody can be asked here",
            why="this is no terminal",
            advice="--yes --digest DIGITS --reason WHY, with the first 12 digits of what was read",
            code=Exit.USAGE,
        )
