"""Makes the doors of the API and of the pages out of a gateway's parts. Wires; decides nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gatekeep.gate.policy_ports import PolicyWish
from gatekeep.identity.bearers import Bearers
from gatekeep.journal.query import parse_query
from gatekeep.parts import Parts
from gatekeep.settings import Settings
from gatekeep.web.access import ApiNeeds, ApprovalNeeds, journal_recorder
from gatekeep.web.answering import mount_api
from gatekeep.web.callers import caller_by_token
from gatekeep.web.door import protected
from gatekeep.web.second_step import SecondStep
from gatekeep.web.server import SOCKET_NAME, ApiDoor
from gatekeep.web.waiting import Waits

Reload = Callable[[PolicyWish], Awaitable[Mapping[str, Any]]]


def api_needs(parts: Parts, settings: Settings, reload: Reload) -> ApiNeeds:
    """What the API works with; it needs `reload`, which only the running gateway has."""
    clock = parts.clock
    front = parts.approvals.front
    return ApiNeeds(
        directory=parts.directory,
        book=parts.targets,
        desk=parts.desk,
        archive=parts.archive,
        tokens=parts.tokens,
        live_sessions=parts.supervision,
        parse_query=lambda text: parse_query(text, now_us=clock.wall_us()),
        record=journal_recorder(parts.journal),
        reload=reload,
        policies=parts.versions,
        clock=clock,
        recordings=parts.ssh.recordings,
        ssh=parts.ssh.facts(settings),
        approvals=ApprovalNeeds(
            front, SecondStep(parts.proofs, parts.lock_outs, clock), Waits(front)
        ),
        bearers=Bearers(parts.directory, parts.tokens.holder, parts.lock_outs, parts.folds.note),
        suggestions=parts.loop.desk,
    )


def mount_over_tcp(parts: Parts, needs: ApiNeeds) -> None:
    """The same API behind the HTTP door, for callers with a token; before that door opens."""
    sources = parts.http.sources
    if needs.bearers is not None:
        caller = caller_by_token(needs.bearers, sources.source_of)
        mount_api(parts.http.app, needs, protected(caller, sources))


def api_door(needs: ApiNeeds, settings: Settings) -> ApiDoor:
    """The API's door for processes of this machine."""
    return ApiDoor(needs, settings.state_dir / SOCKET_NAME)
