"""The one HTTP door over TCP: health, pages and API on one port, loopback by default.

Composes and listens; what is served lives in `health`, in `pages` and in the API.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gatekeep.errors import SettingsError
from gatekeep.messages import web as words
from gatekeep.web.answering import MAX_BODY
from gatekeep.web.callers import Caller
from gatekeep.web.health import Health, add_health_routes
from gatekeep.web.hosts import LOOPBACK_NAMES, Handler, add_safe_headers, guard_hosts, problem
from gatekeep.web.sources import Sources

_IDLE_SECONDS: Final = 15.0
_SHUTDOWN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Served:
    """What is behind the door beside health.

    `pages` adds the routes of the web pages; `nothing_here` answers whoever asks for what is not
    there. Other applications, such as the API, are mounted on what `door_app` returns.
    """

    pages: Callable[[web.Application], None] | None = None
    nothing_here: Handler | None = None


def door_app(
    health: Health,
    served: Served,
    sources: Sources,
    *,
    names: Iterable[str] = LOOPBACK_NAMES,
    origins: Iterable[str] = (),
) -> web.Application:
    """The application; it answers to the Host `names`, and to pages of those or of `origins`."""
    app = web.Application(
        middlewares=[guard_hosts(names, origins=origins)], client_max_size=MAX_BODY
    )
    app.on_response_prepare.append(add_safe_headers)
    add_health_routes(app, health, sources)
    if served.pages is not None:
        served.pages(app)
    app.router.add_route("*", "/{rest:.*}", served.nothing_here or _elsewhere)
    return app


def protected(caller: Caller, sources: Sources) -> Caller:
    """The same callers, but none whose token came in clear over a network: this door has no TLS."""

    def known(request: web.Request) -> web.Response | None:
        if not sources.is_protected(request):
            in_clear = words.IN_CLEAR
            return problem(403, in_clear.what, why=in_clear.undone, advice=in_clear.advice)
        return caller(request)

    return known


async def _elsewhere(_request: web.Request) -> web.Response:
    return problem(404, "nothing is here", advice="/healthz /readyz /metrics")


class HttpDoor:
    """The application on one TCP address."""

    def __init__(self, app: web.Application, *, address: str, port: int) -> None:
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_IDLE_SECONDS,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self._address = address
        self.port = port
        """Where it listens; the wish until then."""

    async def start(self) -> int:
        """Listen; returns the port, also when 0 was asked for. Raises SettingsError."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._address, self.port).start()
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {self._address}:{self.port}: {os.strerror(error.errno or 0)}",
                key="http.port",
                fix="end what listens there, or choose another port",
            ) from error
        self.port = int(self._runner.addresses[0][1])
        return self.port

    async def close(self) -> None:
        """Stop listening and close what is open."""
        await self._runner.cleanup()
