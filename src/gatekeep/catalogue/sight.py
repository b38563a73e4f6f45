"""Finds out for an approver what a held statement would touch, and runs nobody's code for it.

Implements gate.sight_ports.Sights. Sizes and locks come from the target's catalogue; a plan is
asked for only where the caller holds the proof (12-threats C3). Decides nothing, words nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import asyncpg
import structlog

from gatekeep.catalogue import locks, sight_queries
from gatekeep.catalogue.plans import MAX_CHARACTERS, read_plan
from gatekeep.domain.actions import SqlAction
from gatekeep.domain.sessions import Session
from gatekeep.errors import GatekeepError
from gatekeep.gate.ports import CatalogueDesk
from gatekeep.gate.sight_ports import Standing
from gatekeep.messages import sight as words
from gatekeep.runtime.clock import Clock

Connect = Callable[[Session], Awaitable[Any]]
Told = dict[str, Any]

_NS: Final = 1_000_000_000
_FOR_THE_WAY_NS: Final = _NS // 4
"""The target gives up that much before we do, so that its answer still comes."""
_AT_ONCE: Final = 8
_SHORTLY_MS: Final = 250
_MOST_NAMES: Final = 2000
_MOST_SIZED: Final = 1000
_LISTED: Final = 20
_NAME: Final = 200
_KNOWN_AS_UNKNOWN: Final = 14

_log = structlog.get_logger(__name__)


class TargetSights:
    """Looks over a connection of its own for each statement.

    `connect` opens an asyncpg connection to the session's target and database as its account;
    `catalogues` tells whether the catalogue still is the one that the proof stands on.
    """

    def __init__(
        self,
        connect: Connect,
        catalogues: CatalogueDesk,
        clock: Clock,
        *,
        limit_s: float = words.LIMIT_S,
    ) -> None:
        self._connect = connect
        self._catalogues = catalogues
        self._clock = clock
        self._limit_s = limit_s
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def look(
        self, session: Session, action: SqlAction, standing: Standing
    ) -> Mapping[str, object]:
        """What is found out in the time there is; see the port for the keys. Never raises."""
        began = self._clock.monotonic_ns()
        told = _blank(action, standing)
        try:
            async with asyncio.timeout(self._limit_s), self._turn:
                await self._look(session, action, standing, told, began + int(self._limit_s * _NS))
        except Exception as error:  # noqa: BLE001 - whatever it is, less is known then
            _log.warning("sight failed", target=session.target.name, error=type(error).__name__)
            if told["no_estimate"] == words.NOT_LOOKED:
                told["no_estimate"] = _cause(error)
        told["taken_us"] = (self._clock.monotonic_ns() - began) // 1000
        return told

    async def _look(
        self, session: Session, action: SqlAction, standing: Standing, told: Told, until_ns: int
    ) -> None:
        connection = await self._connect(session)
        try:
            time = _Time(self._clock, until_ns)
            looking = _Look(connection, action, standing, told, time)
            if not await looking.stands():
                return
            await looking.tables()
            await looking.locks()
            if told["no_estimate"] == words.NOT_LOOKED:
                await self._estimate(session, standing, looking)
            await looking.size()
        finally:
            connection.terminate()

    async def _estimate(self, session: Session, standing: Standing, looking: _Look) -> None:
        """Asked for last, so that as little as possible can happen between proof and plan."""
        view = await self._catalogues.look_up(session)
        if view is None or view.epoch != standing.epoch:
            looking.told["no_estimate"] = words.CATALOGUE_CHANGED
            return
        await looking.estimate()


class _Time:
    """What is left of it, as the target is told: a little less than there is."""

    def __init__(self, clock: Clock, until_ns: int) -> None:
        self._clock = clock
        self._until_ns = until_ns

    def left_ms(self) -> str:
        """At least 1."""
        left_ns = self._until_ns - self._clock.monotonic_ns() - _FOR_THE_WAY_NS
        return str(max(1, left_ns // 1_000_000))


class _Look:
    """One look over one connection; what it finds goes into `told` as soon as it is there.

    No transaction is ever ended in order: the connection is cut, whatever state it is in.
    """

    def __init__(
        self, connection: Any, action: SqlAction, standing: Standing, told: Told, time: _Time
    ) -> None:
        self._connection = connection
        self._time = time
        self._action = action
        self._standing = standing
        self._version = int(connection.get_server_version().major)
        self._wanted: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._head = 0
        self._family: list[Any] = []
        self.told = told

    async def stands(self) -> bool:
        """Take the session's place: its role, read only, in the time there is."""
        vector = self._standing.vector
        role = vector.role if vector is not None else "none"
        await self._connection.execute("SET search_path = pg_catalog, pg_temp")
        try:
            await self._connection.execute(sight_queries.STAND, self._time.left_ms(), role)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError):
            self.told["no_estimate"] = words.ROLE_REFUSED
            return False
        await self._connection.transaction(isolation="read_committed", readonly=True).start()
        return True

    async def tables(self) -> None:
        """Which tables it names, and how large the one is that it is about."""
        wanted = locks.wanted(self._action.facts)
        names = sorted({*wanted, self._standing.table} - {""})[:_MOST_NAMES]
        rows = await self._connection.fetch(sight_queries.TABLES, names)
        for row in rows:
            full = f"{row['schema']}.{row['name']}"
            self._names[row["oid"]] = full
            if full in wanted:
                self._wanted[row["oid"]] = wanted[full]
        self.told["locks_wanted"] = _listed(
            {self._names[oid]: mode for oid, mode in self._wanted.items()}
        )
        self._head = _head(rows, self._action, self._standing.table)
        if self._head:
            await self._measure()

    async def _measure(self) -> None:
        told = self.told
        told["table"] = self._names[self._head][:_NAME]
        self._family = await self._connection.fetch(sight_queries.FAMILY, self._head)
        counted = [int(row["tuples"]) for row in self._family if self._counted(row)]
        if self._family:
            told["analysed"] = len(counted) == len(self._family)
        if counted:
            told["rows_total"] = sum(counted)
        indexes = await self._connection.fetch(sight_queries.INDEXES, self._head)
        told["indexes"] = [row["name"][:_NAME] for row in indexes]

    def _counted(self, row: Any) -> bool:
        """Whether the target ever counted its rows; before 14 it wrote 0 for "never"."""
        if self._version >= _KNOWN_AS_UNKNOWN:
            return bool(row["tuples"] >= 0)
        return bool(row["tuples"] > 0 or row["pages"] > 0)

    async def locks(self) -> None:
        """What the session holds, and who would make the statement wait."""
        pid = self._standing.target_pid
        if not pid or not await self._connection.fetchval(sight_queries.IS_OURS, pid):
            return
        held: dict[str, str] = {}
        for row in await self._connection.fetch(sight_queries.HELD, pid):
            full = f"{row['schema']}.{row['name']}"
            held[full] = locks.stronger(held.get(full, locks.READING), locks.spelt(row["mode"]))
        self.told["locks_held"] = _listed(held)
        others = await self._connection.fetch(sight_queries.OTHERS, list(self._wanted), pid)
        blocking = [
            row
            for row in others
            if locks.conflicts(self._wanted[row["oid"]], locks.spelt(row["mode"]))
        ]
        blocking.sort(key=lambda row: (not row["granted"], row["pid"], row["oid"]))
        self.told["blocked_by"] = [self._blocker(row) for row in blocking[:_LISTED]]

    def _blocker(self, row: Any) -> Told:
        return {
            "table": self._names[row["oid"]][:_NAME],
            "mode": locks.spelt(row["mode"]),
            "pid": row["pid"],
            "account": row["account"][:_NAME],
            "application": row["application"][:_NAME],
            "waiting": not row["granted"],
        }

    async def estimate(self) -> None:
        """Ask for the plan, under the session's search_path, and take back all that this locked."""
        vector = self._standing.vector
        if vector is None:
            return
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            await self._connection.execute(
                sight_queries.AS_SESSION, self._time.left_ms(), vector.search_path
            )
            self._read(await self._planned())
        except asyncpg.PostgresError as error:
            self.told["no_estimate"] = _cause(error)
        except asyncpg.InterfaceError:  # it has places for values, and none were bound
            self.told["no_estimate"] = words.NOT_UNDERSTOOD
        await savepoint.rollback()

    async def _planned(self) -> object:
        """The plan; without the values that are bound, for which NULLs stand."""
        connection, plan = self._connection, self._standing.plan
        if not self._standing.generic:
            return await connection.fetchval(plan)
        await connection.execute(sight_queries.GENERIC)
        await connection.fetch(plan)
        count = await connection.fetchval(sight_queries.PARAMETERS)
        values = f"({', '.join(['NULL'] * count)})" if count else ""
        return await connection.fetchval(sight_queries.EXECUTE + values)

    def _read(self, plan: object) -> None:
        if not isinstance(plan, str) or len(plan) > MAX_CHARACTERS:
            self.told["no_estimate"] = words.PLAN_TOO_LARGE
            return
        try:
            facts = read_plan(plan, frozenset(row["name"] for row in self._family))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self.told["no_estimate"] = words.PLAN_UNREADABLE
            return
        self.told["no_estimate"] = ""
        self.told["rows_estimate"] = facts.rows
        self.told["index_used"] = None if facts.index is None else facts.index[:_NAME]

    async def size(self) -> None:
        """What it takes on disk; not worth waiting for, where somebody has it to himself."""
        oids = [row["oid"] for row in self._family[:_MOST_SIZED]]
        if not oids or len(oids) < len(self._family):
            return
        await self._connection.execute(sight_queries.WAIT_SHORTLY, str(_SHORTLY_MS))
        try:
            size = await self._connection.fetchval(sight_queries.SIZE, oids)
        except asyncpg.PostgresError:
            return
        self.told["bytes_total"] = size


def _blank(action: SqlAction, standing: Standing) -> Told:
    facts = action.facts
    return {
        "verb": facts[0].verb if len(facts) == 1 else "",
        "table": "",
        "rows_estimate": None,
        "rows_total": None,
        "bytes_total": None,
        "analysed": None,
        "indexes": None,
        "index_used": None,
        "no_estimate": _forbidden(standing),
        "locks_held": None,
        "locks_wanted": None,
        "blocked_by": None,
        "taken_us": 0,
    }


def _forbidden(standing: Standing) -> str:
    """Why no plan may be asked for, whatever the caller says; NOT_LOOKED where one may."""
    if standing.vector is None:
        return words.VECTOR_UNKNOWN
    if standing.vector.temp_objects:
        return words.TEMPORARY_OBJECTS
    if standing.open_changes:
        return words.OPEN_CHANGES
    if standing.unproven or not standing.plan:
        return standing.unproven or words.NOT_UNDERSTOOD
    return words.NOT_LOOKED


def _head(rows: list[Any], action: SqlAction, named: str) -> int:
    """The table that the statement is about, if its role has any right to it; 0 for none."""
    full = {row["oid"]: f"{row['schema']}.{row['name']}" for row in rows}
    for row in rows:
        if full[row["oid"]] == named:
            return int(row["oid"]) if row["may"] else 0
    written = frozenset().union(*(fact.tables_written for fact in action.facts))
    oids = {oid for oid, name in full.items() if name in written} or set(full)
    roots = [
        row
        for row in rows
        if row["oid"] in oids and row["may"] and not oids & set(row["parents"] or ())
    ]
    return int(max(roots, key=lambda row: row["tuples"])["oid"]) if roots else 0


def _listed(modes: Mapping[str, str]) -> Told:
    """Tables with their modes, strongest first, and how many there are in all."""
    ordered = sorted(modes.items(), key=lambda one: (-locks.strength(one[1]), one[0]))
    tables = [{"table": name[:_NAME], "mode": mode} for name, mode in ordered[:_LISTED]]
    return {"count": len(modes), "tables": tables}


def _cause(error: BaseException) -> str:
    """Why something failed, in our words: what a target says may hold anything."""
    if isinstance(error, TimeoutError | asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError):
        return words.NOT_IN_TIME
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return words.NO_RIGHT
    if isinstance(error, GatekeepError | OSError | asyncpg.InterfaceError):
        return words.UNREACHABLE
    if isinstance(error, asyncpg.PostgresError):
        return words.not_planned(str(error.sqlstate or "?")[:5])
    return words.UNREACHABLE
