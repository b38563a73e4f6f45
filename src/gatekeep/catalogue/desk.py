"""Keeps what is known of each database for at most 60 s; one look-up at a time for each.

Implements gate.ports.CatalogueDesk. How to connect is injected; what the rows mean is elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from gatekeep.catalogue.reader import read_changed
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import Session
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

KEPT_NS = 60 * 1_000_000_000
UNSETTLED_NS = 1_000_000_000
"""A view is kept no longer while a DO, a CALL or opaque code runs, which may commit on its way."""
RETRY_NS = 2 * 1_000_000_000
"""A failed look-up is not repeated sooner: every statement would wait for a dead target."""
_MOST = 256
_TIMEOUT_S = 15.0

Key = tuple[str, str, int, str, str]
Connect = Callable[[Session], Awaitable[Any]]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    """One database: the view that holds, since when, and the look-up under way.

    `last` is what was read last, at `last_ns`, and shows the database in `last_state`: once it was
    voided it may turn out to hold still.
    """

    view: CatalogueView | None = None
    read_ns: int = 0
    last: CatalogueView | None = None
    last_ns: int = 0
    last_state: str = ""
    failed_ns: int = -RETRY_NS
    version: int = 0
    running: asyncio.Task[CatalogueView | None] | None = None


class Catalogues:
    """The views by target (its alias and where that is now), database and account.

    `connect` opens a new asyncpg connection to the session's target and database as its account;
    it is closed after each look-up.
    """

    def __init__(self, connect: Connect, clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._unsettled: Counter[tuple[object, ...]] = Counter()
        self._tasks = TaskOwner("catalogue")

    def fresh(self, session: Session) -> CatalogueView | None:
        """The view if one younger than 60 s is at hand; no I/O.

        While unknown code runs on the database it must be younger than 1 s.
        """
        key = _key(session)
        kept = self._kept.get(key)
        if kept is None or kept.view is None:
            return None
        most = UNSETTLED_NS if self._unsettled and key[1:4] in self._unsettled else KEPT_NS
        now = self._clock.monotonic_ns()
        return kept.view if now - kept.read_ns < most and now - kept.last_ns < KEPT_NS else None

    def unsettle(self, session: Session) -> None:
        """Code that may change the schema, and commit while it runs, goes to this database."""
        self._unsettled[_key(session)[1:4]] += 1

    def settle(self, session: Session) -> None:
        """As often as `unsettle`: that code has ended, or nothing more will be known of it."""
        touched = _key(session)[1:4]
        self._unsettled[touched] -= 1
        if self._unsettled[touched] <= 0:
            del self._unsettled[touched]

    async def look_up(self, session: Session) -> CatalogueView | None:
        """Read it, or join the look-up under way; None when it failed: nothing is proven."""
        known = self.fresh(session)
        if known is not None:
            return known
        kept = self._kept.setdefault(_key(session), _Kept())
        self._kept.move_to_end(_key(session))
        self._drop_oldest()
        if kept.running is None:
            if self._clock.monotonic_ns() - kept.failed_ns < RETRY_NS:
                return None
            kept.running = self._tasks.spawn(self._read(session, kept), name="look-up")
        running = kept.running
        view: CatalogueView | None = await asyncio.shield(running)
        return view

    def invalidate(self, session: Session) -> None:
        """DDL went through this gateway: what is known of this database is void.

        For every account and alias; a look-up under way no longer counts, as it may have begun
        before.
        """
        touched = _key(session)[1:4]
        for key, kept in self._kept.items():
            if key[1:4] == touched:
                kept.view = None
                kept.running = None
                kept.version += 1

    async def close(self) -> None:
        """End look-ups under way."""
        await self._tasks.close()

    async def _read(self, session: Session, kept: _Kept) -> CatalogueView | None:
        version, began = kept.version, self._clock.monotonic_ns()
        view: CatalogueView | None = None
        state = ""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                view, state = await self._read_once(session, kept, began)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is known then
            _log.warning(
                "catalogue look-up failed", target=session.target.name, error=type(error).__name__
            )
        if kept.version != version:
            return None
        kept.running = None
        kept.view, kept.read_ns = view, began
        if view is None:
            kept.failed_ns = began
        elif view is not kept.last:
            kept.last, kept.last_ns, kept.last_state = view, began, state
        return view

    async def _read_once(
        self, session: Session, kept: _Kept, now: int
    ) -> tuple[CatalogueView | None, str]:
        """What was read last, if it is young and nothing has changed since; else all anew."""
        last, known = kept.last, kept.last_state
        if now - kept.last_ns >= KEPT_NS:
            known = ""
        connection = await self._connect(session)
        try:
            view, state = await read_changed(connection, known)
            return (view if view is not None else last), state
        finally:
            connection.terminate()

    def _drop_oldest(self) -> None:
        while len(self._kept) > _MOST:
            key = next(iter(self._kept))
            if self._kept[key].running is not None:
                return
            del self._kept[key]


def _key(session: Session) -> Key:
    target = session.target
    database = session.database or target.database
    return (target.name, target.host, target.port, database, session.account)
