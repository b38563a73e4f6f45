"""Deciding on a request: shown whole first, then asked, then cast with the digest of what was shown.

The gateway decides what counts; here nobody can skip what is to be seen.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import typer

from gatekeep.cli.asked import lines
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Format, local_time, visible
from gatekeep.cli.reaching import secret_line
from gatekeep.cli.requests import PATH, request_path
from gatekeep.cli.verbs import Call
from gatekeep.domain.approvals import Vote, VoteVerdict
from gatekeep.domain.voting import next_decides
from gatekeep.messages import asked as words

_OUTCOME_S: Final = 10
_LEAST_DIGEST: Final = words.SHOWN_DIGITS
_HEX: Final = frozenset("0123456789abcdef")

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to say, as far as the options tell; empty where they do not."""

    verdict: str
    reason: str = ""
    yes: bool = False
    digest: str = ""
    code_file: Path | None = None
    scope: str = ""
    for_s: int = 0
    freed: tuple[int, ...] = ()


def decide(call: Call, request_id: str, wanted: Wanted) -> int | None:
    """Show it, ask, cast the ballot, and tell what came of it."""
    _check(wanted)
    path = request_path(request_id)
    request: Request = call.gateway.get(path)
    for line in lines(request):
        call.screen.say(line)
    if request["state"] != "pending":
        when = local_time(request["decided_us"])
        raise Stop(
            words.decided_line(request, when),
            why="nothing changed",
            advice=f"gatekeep show {request['id']}",
            code=Exit.DECIDED_OTHERWISE,
        )
    if not wanted.scope:
        wanted = replace(wanted, scope=request["scopes"][0])
    ballot = _ballot(request, wanted)
    cast = call.gateway.post(f"{path}/votes", ballot)
    return _told(call, cast, wanted)


def _check(wanted: Wanted) -> None:
    """What can be said before anything is asked. Raises Stop (usage)."""
    if wanted.yes and not wanted.digest:
        raise Stop(
            "--yes needs --digest",
            why="nobody approves what was not read",
            advice="gatekeep approvals show ID prints its first 12 digits",
            code=Exit.USAGE,
        )
    given = wanted.digest.lower()
    if given and (len(given) < _LEAST_DIGEST or not set(given) <= _HEX):
        raise Stop(
            f"{wanted.digest!r} is no digest",
            advice="gatekeep approvals show ID prints its first 12 digits",
            code=Exit.USAGE,
        )
    if not wanted.yes and not can_ask():
        raise Stop(
            "nobody can be asked here",
            why="this is no terminal",
            advice="--yes --digest DIGITS, with the first 12 digits of what was read",
            code=Exit.USAGE,
        )


def _ballot(request: Request, wanted: Wanted) -> dict[str, Any]:
    approve = wanted.verdict == "approve"
    if approve and not wanted.yes:
        reach = words.Reach(wanted.scope, wanted.for_s, wanted.freed, decides=_decides(request))
        confirm(visible(words.question(request, reach)))
    reason = wanted.reason
    if not approve and not reason.strip():
        if not can_ask():
            raise Stop(
                "a denial needs a reason", advice='--reason "use the replica"', code=Exit.USAGE
            )
        reason = answered("Deny: why? ")
    elif not approve and not wanted.yes:
        confirm(f"Deny {visible(request['id'])}?")
    ballot = {
        "verdict": wanted.verdict,
        "digest": wanted.digest or request["digest"],
        "reason": reason,
    }
    if approve:
        ballot |= {"scope": wanted.scope, "for_s": wanted.for_s, "freed": wanted.freed}
        code = _code(wanted.code_file, needed=request["needs_code"], why="high risk")
        ballot |= {"code": code} if code else {}
    return ballot


def _decides(request: Request) -> bool:
    """Whether one more yes is the last that is needed, whoever of the asked groups gives it."""
    agreed = [
        Vote(
            one["principal"], one["person"], VoteVerdict(one["verdict"]), one["via"], one["at_us"],
            groups=frozenset(one["groups"]),
        )
        for one in request["votes"]
    ]  # fmt: skip
    return next_decides(
        request["approvers"], agreed, extra=request["extra_votes"], denier=request["denier"]
    )


def confirm(question: str) -> None:
    """Go on after a yes. Raises Stop for anything else."""
    if answered(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise Stop("not decided", why="nothing changed")


def answered(question: str) -> str:
    """A line of whoever sits at the terminal. Nothing of it goes to stdout, which is for data."""
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.strip()


def code_for(file: Path | None, why: str) -> str:
    """A code from the file, or by asking. Raises Stop where there is nobody to ask."""
    return _code(file, needed=True, why=why)


def _code(file: Path | None, *, needed: bool, why: str) -> str:
    if file is not None:
        return secret_line(file, what="code")
    if not needed:
        return ""
    if not can_ask():
        raise Stop(
            f"{why}: a code from your authenticator is needed",
            advice="--code-file FILE, or run it on a terminal",
            code=Exit.USAGE,
        )
    given = getpass.getpass(f"{why}, code from your authenticator: ", stream=sys.stderr)
    return given.replace(" ", "")


def can_ask() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _told(call: Call, cast: Mapping[str, Any], wanted: Wanted) -> int | None:
    request: Request = cast["request"]
    if request["state"] == "approved" and request["session"]:
        # it goes on at once: wait a moment for what comes of it
        path = f"{PATH}/{request['id']}"
        request = call.gateway.get(path, wait_s=_OUTCOME_S, until="outcome")
    if call.screen.format is not Format.TABLE:
        call.screen.document({**cast, "request": request})
        return None
    name = visible(request["id"])
    if request["state"] == "approved":
        follow = request["session_code"]
        call.screen.say(
            f"● {visible(words.came_of_it(request))}",
            following=f"gatekeep sessions show {visible(follow)}"
            if follow and wanted.scope == "once"
            else "gatekeep grants ls",
        )
    elif request["state"] == "denied":
        call.screen.say(f"■ {name} denied", following=f"gatekeep show {name}")
    else:
        call.screen.say(f"◆ {visible(cast['words'])}", following=f"gatekeep approvals show {name}")
    return None
