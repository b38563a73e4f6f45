"""Connections for catalogue look-ups, proven as strictly as those of sessions.

asyncpg would hand its password to a target that asks for it in clear, so it is never given one:
it dials a private Unix socket, and what answers there signs in to the target with our own
connector (mutual SCRAM proof, the target's TLS mode) and then only passes bytes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from gatekeep.domain.sessions import Session
from gatekeep.errors import GatekeepError
from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.protocols.postgres.greeting import welcome
from gatekeep.protocols.postgres.startup import target_startup
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.target import TargetConnector, TargetLink, way_to
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_PORT: Final = 5432
_LIMIT_S: Final = 15.0
_APPLICATION: Final = "gatekeep/catalogue"
_NO_KEY: Final = CancelKey(1, b"\0\0\0\0")
_STARTUP_LIMIT: Final = 10_000


class LookUps:
    """Makes asyncpg connections with the session's own account, never with a stronger one.

    `secret_of(reference)` gives the value behind an account's secret reference.
    """

    def __init__(self, connector: TargetConnector, secret_of: Callable[[str], str]) -> None:
        self._connector = connector
        self._secret_of = secret_of
        self._owner = TaskOwner("catalogue look-ups", on_failure=_failed)

    async def connect(self, session: Session) -> asyncpg.Connection:
        """A connection to the session's database. Raises GatekeepError, OSError or asyncpg errors."""
        directory = Path(tempfile.mkdtemp(prefix="gk-"))  # 0700: nobody else can dial it
        listening: asyncio.Server | None = None
        try:
            listening = await asyncio.get_running_loop().create_unix_server(
                lambda: _Asker(self, session), str(directory / f".s.PGSQL.{_PORT}")
            )
            return await asyncpg.connect(
                host=str(directory), port=_PORT, user=session.account, database=session.database,
                timeout=_LIMIT_S, statement_cache_size=0,
            )  # fmt: skip
        finally:
            if listening is not None:
                listening.close()
            shutil.rmtree(directory, ignore_errors=True)

    async def close(self) -> None:
        """End every look-up that still runs."""
        await self._owner.close()

    def serve(self, asker: WireEnd, session: Session) -> None:
        """Sign in for one asker and pass bytes both ways until either side leaves."""
        self._owner.spawn(self._serve(asker, session), name=session.code)

    async def _serve(self, asker: WireEnd, session: Session) -> None:
        link: TargetLink | None = None
        try:
            await _startup_read(asker)
            link = await self._signed_in(session)
            asker.write(welcome(link.parameters, _NO_KEY))
            await asyncio.gather(_pass(asker, link.wire), _pass(link.wire, asker))
        except (GatekeepError, OSError, asyncio.IncompleteReadError) as error:
            cause = error.cause if isinstance(error, GatekeepError) else str(error)
            _log.warning("catalogue look-up failed", cause=cause)
        finally:
            if link is not None:
                link.wire.close()
            asker.close()

    async def _signed_in(self, session: Session) -> TargetLink:
        target = session.target
        packet = target_startup(
            account=session.account, database=session.database, application_name=_APPLICATION,
            search_path=None, settings={}, read_only=True,
        )  # fmt: skip
        dial, credential = way_to(target, session.account, self._secret_of)
        return await self._connector.connect(dial, credential, packet)


class _Asker(WireEnd):
    """Our end of asyncpg's connection; it serves itself once it is there."""

    def __init__(self, look_ups: LookUps, session: Session) -> None:
        super().__init__()
        self._look_ups = look_ups
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._look_ups.serve(self, self._session)


async def _startup_read(asker: WireEnd) -> None:
    """The asker's own start-up packet is read and set aside: what counts is ours."""
    length = int.from_bytes(await asker.read_exactly(4), "big")
    if not 4 < length <= _STARTUP_LIMIT:  # noqa: PLR2004 - the length counts itself
        raise asyncio.IncompleteReadError(b"", None)
    await asker.read_exactly(length - 4)


async def _pass(source: WireEnd, sink: WireEnd) -> None:
    """Copy until the source ends; then the sink learns of it."""
    with contextlib.suppress(OSError):
        while data := await source.read():
            sink.write(data)
            if sink.congested:
                await sink.drain()
    sink.close()


def _failed(name: str, error: BaseException) -> None:
    _log.error("catalogue look-up failed inside", task=name, error=repr(error))


