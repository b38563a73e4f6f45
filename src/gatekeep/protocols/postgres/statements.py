"""Names of one conversation: prepared statements and portals, and which text is behind them.

The only file that changes these tables. What was sent and not yet confirmed is tentative: it is
seen by later messages, and vanishes with an error. Messages are read in `segments`.
Source: PostgreSQL manual, "Extended Query".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from gatekeep.domain.actions import NameKind, Naming
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.postgres.turns import Execution, Segment

NAMING_TAGS: Final = frozenset(
    {
        "DEALLOCATE", "DEALLOCATE ALL", "DISCARD ALL", "PREPARE",
        "CLOSE CURSOR", "CLOSE CURSOR ALL", "DECLARE CURSOR",
    }
)  # fmt: skip
"""Command tags after which names may mean something else."""


ROOM: Final = 32 << 20
"""Characters of text and bytes of Bind messages that are kept behind names; more is not known."""
# Where none of these is, every string syntax and client encoding reads the same statement.
_TURNS_ON_SYNTAX: Final = re.compile(r"['\"\\$]|[^\x00-\x7f]")
# COPY … FROM with COPY as the first word, or perhaps so behind a comment; never COPY (query) TO.
_MAY_COPY: Final = re.compile(
    r"\s*(?:copy\b(?!\s*\()|[^a-z\s].*copy).*from", re.IGNORECASE | re.DOTALL
)
_ENTRY: Final = 500  # what a name costs beside its text, about
_NAME_BYTES: Final = 63  # of a name; the target leaves out the rest, so longer ones may be the same
_SURELY_SHORT: Final = _NAME_BYTES // 4  # characters


def _kept_as(name: str) -> str:
    """The name under which the target keeps what is given this one."""
    if len(name) <= _SURELY_SHORT:
        return name
    return name.encode("utf-8", "surrogateescape")[:_NAME_BYTES].decode("utf-8", "surrogateescape")


def _plain(name: str) -> bool:
    """Whether every server encoding folds and cuts this name to itself."""
    return 0 < len(name) < _NAME_BYTES and name.isascii()


def _outlives(portal: Execution) -> bool:
    """Whether it is a cursor WITH HOLD, which stays when its transaction is over."""
    gives = portal.gives
    return gives is not None and gives == (NameKind.HELD_CURSOR, portal.portal_name)


class Statement:
    """A prepared statement: its text (None when it cannot be read as UTF-8) and its known type oids.

    `from_sql`: a PREPARE made it, and its text is that PREPARE; for a Bind it is not known.
    `may_copy`: it may be a COPY FROM (one that is, surely has it).
    `read_as` belongs to the proxy: how it was read at its Parse, None before that. Each Parse makes
    a Statement of its own, so that one that fails changes nothing.
    """

    __slots__ = ("from_sql", "may_copy", "name", "oids", "read_as", "text")

    def __init__(self, name: str, text: str | None, oids: tuple[int, ...]) -> None:
        self.name = name
        self.text = text
        self.oids = oids
        self.from_sql = False
        self.may_copy = text is not None and _MAY_COPY.match(text) is not None
        self.read_as: Any = None

    def again(self, oids: tuple[int, ...] | None = None) -> Statement:
        """Another Parse of the same bytes; with `oids`, the same one with its types told."""
        other = Statement(self.name, self.text, self.oids if oids is None else oids)
        if oids is not None:
            other.read_as = self.read_as
        return other


class Names:
    """The tables: what is confirmed, and what was sent and may come true.

    Names stand as the target keeps them. What is behind one that is too long for the target is
    never known, and neither is what was behind a name that it may be the same as.
    """

    def __init__(self) -> None:
        self._statements: dict[str, Statement] = {}
        self._portals: dict[str, Execution] = {}
        self._new_statements: dict[str, Statement | None] = {}
        self._new_portals: dict[str, Execution | None] = {}
        self._deallocated = False
        self._room = ROOM
        self._measured = False
        self.last_key = 0
        self.unsynced = False  # extended messages were read since the last ReadyForQuery

    # --- what the client sent --------------------------------------------------------------------

    def new_execution(self, mode: str, text: str | None) -> Execution:
        """An execution with the next key; no text: its source is not known."""
        self.last_key += 1
        execution = Execution(mode, text or "", self.last_key)
        if text is None:
            execution.unknown_source = True
        return execution

    def begin(self) -> None:
        """A segment of the extended protocol is about to be read."""
        self._measured = False
        self.unsynced = True

    def has_room(self, size: int) -> bool:
        """Whether text or values of this size may be kept behind a name; it is then taken."""
        size += _ENTRY
        if size > self._room and not self._measured:
            self._measure()
        if size > self._room:
            return False
        self._room -= size
        return True

    def _measure(self) -> None:
        """Count what is really kept: names are given anew all the time."""
        self._measured = True
        taken = 0
        for statement in (*self._statements.values(), *self._new_statements.values()):
            taken += _ENTRY + len((statement and statement.text) or "")
        for portal in (*self._portals.values(), *self._new_portals.values()):
            taken += _ENTRY + (portal.bytes_in if portal else 0)
        self._room = ROOM - taken

    def another(self, portal: Execution) -> Execution:
        """A further execution of a portal."""
        self.last_key += 1
        return portal.again(self.last_key)

    def statement(self, name: str) -> Statement | None:
        """The statement that a Bind of this name will meet; None if not known."""
        if len(name) > _SURELY_SHORT and _kept_as(name) != name:
            return None
        found = self._behind(name)
        return found if found is None or not found.from_sql else None

    def _behind(self, name: str) -> Statement | None:
        if name in self._new_statements:
            return self._new_statements[name]
        return self._statements.get(name)

    def portal(self, name: str) -> Execution | None:
        """The portal that an Execute of this name will meet; None if not known."""
        if len(name) > _SURELY_SHORT and _kept_as(name) != name:
            return None
        if name in self._new_portals:
            return self._new_portals[name]
        return self._portals.get(name)

    def parsed(self, statement: Statement) -> None:
        """A Parse was read: tentative."""
        name = _kept_as(statement.name)
        self._new_statements[name] = statement if name == statement.name else None

    def bound(self, portal: Execution) -> None:
        """A Bind was read: tentative. Without room, what is behind the name is not known."""
        name = _kept_as(portal.portal_name)
        kept = name == portal.portal_name and self.has_room(portal.bytes_in)
        self._new_portals[name] = portal if kept else None

    def doubt(self, segment: Segment) -> None:
        """The target may read the Parse messages of this segment otherwise than we do.

        It reads a statement once, so what is not surely understood now is not known later,
        whatever the settings are then.
        """
        owners = list(segment.owners)
        for at, one in enumerate(owners):
            if isinstance(one, Statement) and _TURNS_ON_SYNTAX.search(one.text or ""):
                owners[at] = Statement(one.name, None, one.oids)
                self.parsed(owners[at])
        segment.owners = owners

    def closed(self, kind: str, name: str) -> None:
        """A Close was read: tentative."""
        table: dict[str, Any] = self._new_statements if kind == "S" else self._new_portals
        table[_kept_as(name)] = None

    def cloud(self) -> None:
        """A command was read that may give names that are known now to other statements."""
        self._new_statements = dict.fromkeys((*self._statements, *self._new_statements))
        self._new_portals = dict.fromkeys((*self._portals, *self._new_portals))

    def source(self, taken: Naming, vector: SessionVector | None) -> str | None:
        """The text behind a name that SQL uses; None if that is not surely known.

        A cursor was read under the vector of its making, and under no other since.
        """
        name = taken.name
        if not _plain(name):
            return None
        if taken.kind is NameKind.STATEMENT:
            statement = self._behind(name)
            # One that a Parse made was not judged when the target read it (see proxies, prepared).
            return statement.text if statement is not None and statement.from_sql else None
        portal = self.portal(name)
        if portal is None or vector is None or portal.vector != vector:
            return None
        return portal.text if portal.gives is not None or not portal.unknown_source else None

    # --- what the target confirms ----------------------------------------------------------------

    def parse_complete(self, statement: Statement) -> None:
        """ParseComplete."""
        name = _kept_as(statement.name)
        if name == statement.name:
            self._statements[name] = statement
        else:
            self._statements.pop(name, None)

    def described(self, statement: Statement | None, oids: tuple[int, ...]) -> None:
        """ParameterDescription: the types that the target gave where the client named none.

        Another Statement takes the place of this one, whose Parse may be met again elsewhere.
        """
        if statement is None:
            return
        named = (*statement.oids, *(0,) * (len(oids) - len(statement.oids)))
        told = tuple(mine or theirs for mine, theirs in zip(named, oids, strict=False))
        if told == statement.oids:
            return
        for table in (self._statements, self._new_statements):
            if table.get(statement.name) is statement:
                table[statement.name] = statement.again(told)

    def bind_complete(self, portal: Execution) -> None:
        """BindComplete."""
        name = _kept_as(portal.portal_name)
        if self._new_portals.get(name) is not None:
            self._portals[name] = portal
        else:
            self._portals.pop(name, None)

    def close_complete(self, closed: tuple[str, str]) -> None:
        """CloseComplete."""
        kind, name = closed
        table: dict[str, Any] = self._statements if kind == "S" else self._portals
        table.pop(_kept_as(name), None)

    def failed(self) -> None:
        """An error in the extended protocol: what was not confirmed never will be."""
        self._new_statements.clear()
        self._new_portals.clear()

    def ready(self, status: str, kind: str) -> None:
        """ReadyForQuery for a segment: portals end with their transaction."""
        self.unsynced = False
        if self._new_statements:
            self._new_statements.clear()
        if self._new_portals:
            self._new_portals.clear()
        if status == "I" and self._portals:
            self._portals = {name: one for name, one in self._portals.items() if _outlives(one)}
        if kind == "query":
            self._statements.pop("", None)
            self._portals.pop("", None)

    def tagged(self, tag: str, execution: Execution) -> None:
        """A command of `NAMING_TAGS` completed, in either protocol, by this execution.

        A name that was only taken away is harmless (the target says so); a name that was taken
        away and given again must not keep its old text.
        """
        if tag == "DECLARE CURSOR":
            self._declared(execution)
        elif "CURSOR" in tag:
            return
        elif tag == "DEALLOCATE":
            self._deallocated = True
        elif tag == "PREPARE":
            self._prepared(execution)
        else:
            self.forget_statements()
            if tag == "DISCARD ALL":
                self.forget_portals()

    def _prepared(self, execution: Execution) -> None:
        """A PREPARE completed: its text stands behind its name, if this was all of the execution."""
        gives = execution.gives
        if gives is None or gives.kind is not NameKind.STATEMENT or not self._understood(execution):
            if self._deallocated:
                self.forget_statements()
            return
        made = Statement(gives.name, execution.text, ())
        made.from_sql = True
        self._statements[gives.name] = made

    def _declared(self, execution: Execution) -> None:
        """A DECLARE completed: likewise. Only a cursor WITH HOLD outlives its transaction."""
        gives = execution.gives
        if gives is None or gives.kind is NameKind.STATEMENT or not self._understood(execution):
            self.forget_portals()
            return
        cursor = execution.again(execution.key)
        cursor.portal_name = gives.name
        cursor.bytes_in = len(execution.text)
        cursor.gives = gives
        cursor.unknown_source = True  # for an Execute, which is not told as a FETCH
        self._portals[gives.name] = cursor

    def _understood(self, execution: Execution) -> bool:
        """Whether the target read this text as we do, and there is room to keep it."""
        vector, gives = execution.vector, execution.gives
        return (
            vector is not None
            and vector.standard_conforming_strings == "on"
            and vector.client_encoding == "UTF8"
            and not execution.unknown_source
            and gives is not None
            and _plain(gives.name)
            and self.has_room(len(execution.text))
        )

    def forget_portals(self) -> None:
        """Code ran that may have closed and opened cursors: what is behind a name is not known."""
        self._portals.clear()
        self._new_portals.clear()

    def forget_statements(self, names: Iterable[str] | None = None) -> None:
        """These names (None: all) may stand for statements that we did not see."""
        if names is None:
            self._statements.clear()
            self._new_statements.clear()
            self._deallocated = False
            return
        for name in names:
            self._statements.pop(name, None)
            self._new_statements.pop(name, None)
