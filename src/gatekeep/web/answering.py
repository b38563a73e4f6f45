"""How every call of the API is answered: faults worded, deadlines kept, the caller known first.

`mount_api` puts the API under `/api` of any application. What is served lives in `api` and
`approvals`, who calls in `callers`.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
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
from gatekeep.web.access import NEEDS, ApiNeeds
from gatekeep.web.api import TAIL_PATH, add_routes
from gatekeep.web.approvals import add_approval_routes
from gatekeep.web.callers import Caller
from gatekeep.web.hosts import add_safe_headers, problem
from gatekeep.web.openapi import PREFIX
from gatekeep.web.recordings import RECORDING_PATH, WATCH_PATH
from gatekeep.web.refusals import Explained
from gatekeep.web.suggestion_operations import BACKTEST_PATH, RUN_PATH
from gatekeep.web.tailing import TAILS, Tails

MAX_BODY: Final = 512 * 1024
CALL_SECONDS: Final = 30.0

_LONG: Final = {RUN_PATH: 300.0, BACKTEST_PATH: 120.0}
"""What reads history has more time, seconds."""
_STREAMS: Final = frozenset({TAIL_PATH, RECORDING_PATH, WATCH_PATH})

_log = structlog.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def mount_api(app: web.Application, needs: ApiNeeds, caller: Caller) -> Tails:
    """Serve the whole API under `/api` of an application, to whom `caller` knows.

    The application's `client_max_size` must be MAX_BODY or more. Its middlewares come first;
    on TCP one of them has to be `hosts.guard_hosts`. What streams is ended with the application,
    or before by `end` of what is returned.
    """
    tails = Tails()

    async def end(_app: web.Application) -> None:
        tails.end()
        if needs.approvals is not None:
            needs.approvals.waits.end()

    async def close(_app: web.Application) -> None:
        await tails.close()

    app.on_shutdown.append(end)
    app.on_cleanup.append(close)
    app.add_subapp(PREFIX, api_under(needs, tails, answered(caller)))
    return tails


def api_under(
    needs: ApiNeeds, tails: Tails, middlewares: Sequence[Middleware] = ()
) -> web.Application:
    """The API as an application to be put under `/api` of another."""
    below = web.Application(middlewares=middlewares)
    below[NEEDS], below[TAILS] = needs, tails
    below.on_response_prepare.append(add_safe_headers)
    add_routes(below)
    add_approval_routes(below)
    return below


def answered(caller: Caller) -> tuple[Middleware, ...]:
    """What every call goes through, outermost first."""
    return (faults, deadline, known_first(caller))


def known_first(caller: Caller) -> Middleware:
    """Nobody is answered before it is known who calls."""

    @web.middleware
    async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
        nobody = caller(request)
        return nobody if nobody is not None else await handler(request)

    return known


@web.middleware
async def deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No call but a stream lasts longer than CALL_SECONDS, or what `_LONG` gives it."""
    resource = request.match_info.route.resource
    address = resource.canonical.removeprefix(PREFIX) if resource is not None else ""
    if address in _STREAMS:
        return await handler(request)
    async with asyncio.timeout(_LONG.get(address, CALL_SECONDS)):
        return await handler(request)


@web.middleware
async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever fails is said in one shape, and never more than may be said."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        answer = problem(error.status, error.reason.lower())
        answer.headers["Allow"] = error.headers.get("Allow", "")
        return answer
    except web.HTTPException as error:
        return problem(error.status, error.reason.lower())
    except TimeoutError:
        return problem(504, "no answer in time", advice="narrow the query")
    except GatekeepError as error:
        return _worded(error)
    except Exception as error:  # noqa: BLE001 - any other fault is a refusal with an incident number
        return _unforeseen(error)


def _worded(error: GatekeepError) -> web.Response:
    if isinstance(error, Explained):
        return problem(error.status, error.public, why=error.why, advice=error.advice)
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
