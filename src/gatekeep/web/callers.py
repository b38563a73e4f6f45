"""Who calls the API: the peer of the Unix socket, or whose token comes with the call.

What a caller may do is asked of policy, in the handlers.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gatekeep.domain.identity import Principal
from gatekeep.identity.bearers import Bearer, BearerRefusal, Bearers
from gatekeep.messages import api as words
from gatekeep.web.access import NEEDS, PRINCIPAL, VIA
from gatekeep.web.hosts import problem
from gatekeep.web.refusals import told
from gatekeep.web.tailing import STILL

Caller = Callable[[web.Request], web.Response | None]
"""Notes in the request who calls (PRINCIPAL, VIA), or gives the answer for whoever is nobody."""

PeerUid = Callable[[web.Request], int | None]
SourceOf = Callable[[web.Request], str]

_PEERCRED: Final = struct.Struct("3i")
_SCHEME: Final = "bearer"


def peer_uid(request: web.Request) -> int | None:
    """The operating system's word for who is at the other end (`SO_PEERCRED`, socket(7))."""
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX:
        return None
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    _pid, uid, _gid = _PEERCRED.unpack(raw)
    return int(uid)


def remote_address(request: web.Request) -> str:
    """The address at the other end of the connection."""
    return request.remote or ""


def caller_by_peer(uid_of: PeerUid = peer_uid) -> Caller:
    """Callers of the Unix socket: by their uid, or, if a token comes with the call, by that alone.

    So several people can share one account of the operating system.
    """

    def caller(request: web.Request) -> web.Response | None:
        uid, needs = uid_of(request), request.app[NEEDS]
        if needs.bearers is not None and "Authorization" in request.headers:
            return _by_token(request, needs.bearers, source=f"uid {uid}", via="cli")
        principal = None if uid is None else needs.directory.principal_of_uid(uid)
        if principal is None:
            return problem(
                403,
                "you are nobody here",
                why=f"no principal has the operating system account with uid {uid}",
                advice="add os_user to your entry in principals.yaml, then gatekeep reload",
            )
        _known(request, principal, "cli")
        return None

    return caller


def caller_by_token(bearers: Bearers, source_of: SourceOf = remote_address) -> Caller:
    """Callers over TCP: by their token and nothing else."""

    def caller(request: web.Request) -> web.Response | None:
        return _by_token(request, bearers, source=source_of(request), via="api")

    return caller


def _by_token(
    request: web.Request, bearers: Bearers, *, source: str, via: str
) -> web.Response | None:
    given = request.headers.getall("Authorization", [])
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != _SCHEME:
        return _not_signed_in(words.TOKEN_NEEDED)
    token = token.strip()
    found = bearers.bearer(token, source)
    if found is BearerRefusal.LOCKED:
        return told(429, words.TOKENS_LOCKED)
    if not isinstance(found, Bearer):
        return _not_signed_in(words.TOKEN_REFUSED)
    request[STILL] = lambda: bearers.works(token, found)
    _known(request, found.principal, via)
    return None


def _known(request: web.Request, principal: Principal, via: str) -> None:
    request[PRINCIPAL] = principal
    request[VIA] = via


def _not_signed_in(said: words.Words) -> web.Response:
    answer = told(401, said)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="gatekeep"'
    return answer
