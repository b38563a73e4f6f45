"""The Unix socket of the API: made for its owner alone, and taken away again.

What is served lives in `api` and `approvals`, how in `answering`. Only processes of this machine
get here, and only as a principal.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Final

from aiohttp import web

from gatekeep.errors import SettingsError
from gatekeep.web.access import NEEDS, ApiNeeds
from gatekeep.web.answering import MAX_BODY, answered, api_under
from gatekeep.web.api import add_routes
from gatekeep.web.callers import PeerUid, caller_by_peer, peer_uid
from gatekeep.web.hosts import add_safe_headers
from gatekeep.web.openapi import PREFIX
from gatekeep.web.tailing import TAILS, Tails

SOCKET_NAME: Final = "gatekeep.sock"

_IDLE_SECONDS: Final = 30.0
_MAX_SOCKET_PATH: Final = 107


def api_app(needs: ApiNeeds, *, uid_of: PeerUid = peer_uid) -> web.Application:
    """The application: the API under `/api`, and its older addresses without that, too."""
    app = web.Application(
        middlewares=answered(caller_by_peer(uid_of)), client_max_size=MAX_BODY
    )
    app[NEEDS] = needs
    app[TAILS] = Tails()
    app.on_response_prepare.append(add_safe_headers)
    add_routes(app)
    app.add_subapp(PREFIX, api_under(needs, app[TAILS]))
    return app


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
            if self._needs.approvals is not None:
                self._needs.approvals.waits.end()

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
