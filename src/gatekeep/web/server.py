"""The Unix socket of the API: who is at the other end, deadlines, and how faults are worded.

What is served lives in `api`. Only processes of this machine get here, and only as a principal.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gatekeep.errors import (
    ClientFault,
    GatekeepError,
    JournalUnavailable,
    NotPermitted,
    SettingsError,
)
from gatekeep.runtime.clock import random_bytes
from gatekeep.web.access import NEEDS, PRINCIPAL, ApiNeeds, Refused
from gatekeep.web.api import TAIL_PATH, add_routes
from gatekeep.web.hosts import add_safe_headers, problem
from gatekeep.web.recordings import RECORDING_PATH, WATCH_PATH
from gatekeep.web.tailing import TAILS, Tails

MAX_BODY: Final = 64 * 1024
CALL_SECONDS: Final = 30.0
SOCKET_NAME: Final = "gatekeep.sock"

_IDLE_SECONDS: Final = 30.0
_PEERCRED: Final = struct.Struct("3i")
_MAX_SOCKET_PATH: Final = 107
_STREAMS: Final = frozenset({TAIL_PATH, RECORDING_PATH, WATCH_PATH})

_log = structlog.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PeerUid = Callable[[web.Request], int | None]


def peer_uid(request: web.Request) -> int | None:
    """The operating system's word for who is at the other end (`SO_PEERCRED`, socket(7))."""
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("socket")
    if peer is None or peer.family != socket.AF_UNIX:
        return None
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    _pid, uid, _gid = _PEERCRED.unpack(raw)
    return int(uid)


def api_app(needs: ApiNeeds, *, uid_of: PeerUid = peer_uid) -> web.Application:
    """The application; every call goes through the faults, deadline and caller below."""
    app = web.Application(
        middlewares=[_faults, _deadline, _caller(uid_of)], client_max_size=MAX_BODY
    )
    app[NEEDS] = needs
    app[TAILS] = Tails()
    app.on_response_prepare.append(add_safe_headers)
    add_routes(app)
    return app


def _caller(uid_of: PeerUid) -> Middleware:
    @web.middleware
    async def caller(request: web.Request, handler: Handler) -> web.StreamResponse:
        uid = uid_of(request)
        principal = None if uid is None else request.app[NEEDS].directory.principal_of_uid(uid)
        if principal is None:
            return problem(
                403,
                "you are nobody here",
                why=f"no principal has the operating system account with uid {uid}",
                advice="add os_user to your entry in principals.yaml, then gatekeep reload",
            )
        request[PRINCIPAL] = principal
        return await handler(request)

    return caller


@web.middleware
async def _deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    resource = request.match_info.route.resource
    if resource is not None and resource.canonical in _STREAMS:
        return await handler(request)
    async with asyncio.timeout(CALL_SECONDS):
        return await handler(request)


@web.middleware
async def _faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return problem(error.status, error.reason.lower())
    except TimeoutError:
        return problem(504, f"no answer within {CALL_SECONDS:.0f} s", advice="narrow the query")
    except GatekeepError as error:
        return _worded(error)
    except Exception as error:  # noqa: BLE001 - any other fault is a refusal with an incident number
        return _unforeseen(error)


def _worded(error: GatekeepError) -> web.Response:
    if isinstance(error, Refused):
        return problem(403, error.public, why=error.why, advice=error.advice)
    if isinstance(error, NotPermitted):
        return problem(403, error.public)
    if isinstance(error, ClientFault):
        return problem(400, error.public)
    if isinstance(error, SettingsError):
        more = f", and {len(error.also)} more that gatekeep check shows" if error.also else ""
        return problem(
            422, f"{error}{more}", why="what was loaded before stays active", advice=error.fix
        )
    if isinstance(error, JournalUnavailable):
        return problem(
            503,
            "this cannot be recorded right now, so it was not done",
            advice="see /readyz and the diagnostics of the gateway",
        )
    return problem(500, error.public)


def _unforeseen(error: Exception) -> web.Response:
    incident = random_bytes(4).hex()
    frame = traceback.extract_tb(error.__traceback__)[-1]
    # The text of an unforeseen error may hold anything, so only its place is told.
    _log.error(
        "api call failed",
        incident=incident,
        error=type(error).__name__,
        place=f"{Path(frame.filename).name}:{frame.lineno}",
    )
    return problem(
        500,
        "the gateway failed inside",
        why=f"incident {incident}",
        advice="look for the incident in the diagnostics of the gateway",
    )


class ApiDoor:
    """The API on its Unix socket, mode 0600."""

    def __init__(self, needs: ApiNeeds, path: Path) -> None:
        self.path = path
        self._needs = needs
        self._app: web.Application | None = None
        self._runner: web.AppRunner | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen. Raises SettingsError if the place is taken or cannot be used."""
        listener = _bound(self.path)
        self._inode = self.path.stat().st_ino
        self._app = api_app(self._needs)
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            keepalive_timeout=_IDLE_SECONDS,
            handler_cancellation=True,
            shutdown_timeout=5.0,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    def drain(self) -> None:
        """End the streams; other calls go on until `close`."""
        if self._app is not None:
            self._app[TAILS].end()

    async def close(self) -> None:
        """End everything and take the socket away, if it is still ours."""
        if self._app is not None:
            self._app[TAILS].end()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._app is not None:
            await self._app[TAILS].close()
        try:
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
        except FileNotFoundError:
            pass


def _bound(path: Path) -> socket.socket:
    """A listening socket at `path` that nobody else may ever have opened."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise SettingsError(
            f"the path of the socket is longer than {_MAX_SOCKET_PATH} bytes",
            key="state_dir",
            fix="choose a shorter state directory",
        )
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the socket is born 0600; a chmod after bind would leave a gap
    try:
        listener.bind(os.fspath(path))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot make {path.name}: {error.strerror}",
            file=str(path.parent),
            fix="check that the state directory exists and is yours",
        ) from error
    finally:
        os.umask(before)
    listener.listen(128)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


def _clear_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SettingsError("is in the way and is not a socket", file=str(path), fix="move it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise SettingsError(f"cannot be reached: {error.strerror}", file=str(path)) from error
    raise SettingsError(
        "another gateway serves this state directory",
        file=str(path),
        fix="stop it first, or give this one a state directory of its own",
    )
