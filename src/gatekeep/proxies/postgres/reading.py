"""Turns statement text into facts for the gate, reusing what was read before.

Facts hold under one reading: the session vector and the catalogue's epoch. Nothing here decides.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from gatekeep.domain.actions import Naming, SqlClass, SqlFacts
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.gate.ports import CatalogueDesk
from gatekeep.protocols.postgres.function_call import LARGE_OBJECTS
from gatekeep.protocols.sql.below_proof import Below
from gatekeep.protocols.sql.reading import parameters_unproven
from gatekeep.protocols.sql.shape import shape_of
from gatekeep.protocols.sql.template import exact_template
from gatekeep.proxies.postgres.parsing import Parser, TextsBehind

_KEPT_CHARACTERS: Final = 4 * 1024
_KEPT_TEXTS: Final = 2048
_KEPT_SCOPES: Final = 512
_FIRST_USER_OID: Final = 16_384

# A vector that no target reports: whatever turns on string syntax is opaque under it.
UNKNOWN_VECTOR: Final = SessionVector(standard_conforming_strings="unknown")


OPAQUE: Final = (
    SqlFacts(
        SqlClass.OPAQUE,
        "EXECUTE",
        redacted="",
        template="",
        tables_complete=False,
        functions_complete=False,
        columns_complete=False,
        unproven="a statement made where it was not seen",
        vector_safe=False,
    ),
)
"""What is known of a text that was never seen, or cannot be read."""


@functools.lru_cache(maxsize=1024)
def function_called(oid: int, name: str) -> Reading:
    """What is known of a FunctionCall: the function's oid, its name if that is known, no more."""
    large = oid in LARGE_OBJECTS
    shown = f"FunctionCall {oid}" + (f" ({name})" if name else "")
    fact = replace(
        OPAQUE[0],
        verb="FUNCTION CALL",
        redacted=shown,
        template=exact_template(f"FunctionCall {oid}"),
        functions=frozenset({name}) if name else frozenset(),
        tags=frozenset({"opens_opaque", "large_object"} if large else {"opens_opaque"}),
        unproven="a function called by its number",
    )
    return Reading((fact,), shown)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text means: facts shared by all texts of its shape, and its own redacted text."""

    facts: tuple[SqlFacts, ...]
    redacted: str

    @property
    def takes(self) -> list[Naming]:
        """The names of the session on which the meaning turns."""
        return [fact.takes for fact in self.facts if fact.takes is not None]


Value = TypeVar("Value")


class _Recent(Generic[Value]):
    """The most recently stored values by key; the oldest goes first."""

    __slots__ = ("_kept", "_most")

    def __init__(self, most: int) -> None:
        self._kept: OrderedDict[str, Value] = OrderedDict()
        self._most = most

    def get(self, key: str) -> Value | None:
        return self._kept.get(key)

    def put(self, key: str, value: Value) -> None:
        self._kept[key] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


class Scope:
    """The readings of one database for one account under one session vector.

    `provable` is false while the session's transaction holds uncommitted code or schema changes
    that no catalogue look-up can see: then nothing is proven.
    """

    __slots__ = ("by_shape", "by_text", "epoch", "provable", "session", "vector")

    def __init__(self, session: Session, vector: SessionVector, *, provable: bool) -> None:
        self.session = session
        self.vector = vector
        self.provable = provable
        self.epoch = ""
        self.by_text: _Recent[Reading] = _Recent(_KEPT_TEXTS)
        self.by_shape: _Recent[tuple[SqlFacts, ...]] = _Recent(_KEPT_TEXTS)

    def turn_to(self, epoch: str) -> None:
        """Forget what was read under another catalogue."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.by_text.clear()
            self.by_shape.clear()


class StatementReader:
    """Reads statements for every session of the gateway."""

    def __init__(self, catalogues: CatalogueDesk, parser: Parser) -> None:
        self._catalogues = catalogues
        self._parser = parser
        self._scopes: OrderedDict[tuple[object, ...], Scope] = OrderedDict()

    def scope(self, session: Session, vector: SessionVector | None, *, provable: bool) -> Scope:
        """The scope for a session's present reading; shared by sessions that read alike."""
        vector = vector or UNKNOWN_VECTOR
        key = (session.target.name, session.database, session.account, vector, provable)
        scope = self._scopes.get(key)
        if scope is None or scope.session.target != session.target:
            # A target that was loaded anew may be another place, or trust other code.
            scope = Scope(session, vector, provable=provable)
            self._scopes[key] = scope
            if len(self._scopes) > _KEPT_SCOPES:
                self._scopes.popitem(last=False)
        return scope

    def untouched(self, session: Session, vector: SessionVector | None) -> bool:
        """Whether statements are read there as in a session that nobody has changed anything in.

        In doubt, as without a fresh catalogue view, false. That it may only read makes no difference.
        """
        view = self._catalogues.fresh(session)
        if vector is None or view is None:
            return False
        as_opened = SessionVector(transaction_read_only=vector.transaction_read_only)
        return vector == replace(as_opened, search_path=view.search_path or as_opened.search_path)

    def known(self, scope: Scope, text: str) -> Reading | None:
        """A reading made before that still holds; no I/O, no parsing."""
        if scope.provable:
            view = self._catalogues.fresh(scope.session)
            if view is None:
                return None
            if view.epoch != scope.epoch:
                scope.turn_to(view.epoch)
                return None
        reading = scope.by_text.get(text)
        if reading is not None:
            return reading
        if len(text) > _KEPT_CHARACTERS:
            return None
        shape = shape_of(text)
        facts = scope.by_shape.get(shape) if shape is not None else None
        return Reading(facts, text) if facts is not None else None

    async def read(self, scope: Scope, text: str, behind: TextsBehind | None = None) -> Reading:
        """Read a text anew, with a catalogue view no older than 60 s.

        `behind` are the texts behind the names of a session that it takes its meaning from; such
        a reading is not kept, as it holds for this moment.
        """
        view: CatalogueView | None = None
        if scope.provable:
            view = self._catalogues.fresh(scope.session)
            if view is None:
                view = await self._catalogues.look_up(scope.session)
            if view is not None:
                scope.turn_to(view.epoch)
        facts = await self._parser.read(scope.session, scope.vector, text, view, behind)
        reading = Reading(facts, "; ".join(fact.redacted for fact in facts))
        if (
            behind is None
            and len(text) <= _KEPT_CHARACTERS
            and (view is not None or not scope.provable)
        ):
            self._keep(scope, text, reading)
        return reading

    async def below(self, scope: Scope, text: str, *, parameters: bool) -> tuple[Below, str]:
        """Whether a held text may be planned, and the epoch of the catalogue that says so.

        By what is at hand since the text was read: nothing is looked up.
        """
        view = self._catalogues.fresh(scope.session) if scope.provable else None
        below = await self._parser.below(
            scope.session, scope.vector, text, view, parameters=parameters
        )
        return below, view.epoch if view is not None else ""

    def bound(
        self, scope: Scope, facts: tuple[SqlFacts, ...], oids: tuple[int, ...]
    ) -> tuple[SqlFacts, ...]:
        """The facts once values of these declared types are bound: a type can run code too."""
        if not oids or max(oids) < _FIRST_USER_OID:
            return facts
        view = self._catalogues.fresh(scope.session) if scope.provable else None
        unproven = parameters_unproven(oids, view)
        if not unproven:
            return facts
        return tuple(
            replace(fact, sql_class=SqlClass.PROCEDURAL, unproven=unproven, vector_safe=False,
                    functions_complete=False)
            if fact.sql_class in (SqlClass.READ, SqlClass.WRITE) else fact
            for fact in facts
        )  # fmt: skip

    def called(self, scope: Scope, oid: int) -> Reading:
        """A FunctionCall under what is known of the catalogue now; asks nobody for more."""
        name = LARGE_OBJECTS.get(oid, "")
        if not name and scope.provable:
            view = self._catalogues.fresh(scope.session)
            name = view.function_oids.get(oid, "") if view is not None else ""
        return function_called(oid, name)

    def schema_may_change(self, session: Session) -> None:
        """Code goes to the session's database that may change its schema; `schema_changed` follows."""
        self._catalogues.unsettle(session)

    def schema_changed(self, session: Session) -> None:
        """Code or schema of the session's database may have changed: look it up anew."""
        self._catalogues.invalidate(session)
        self._catalogues.settle(session)

    def _keep(self, scope: Scope, text: str, reading: Reading) -> None:
        shape = shape_of(text)
        secret_free = all(fact.redacted in text for fact in reading.facts)
        if (
            shape is not None
            and secret_free
            and not any(fact.values_read for fact in reading.facts)
        ):
            scope.by_shape.put(shape, reading.facts)
            if shape != text:
                return  # another text of this shape is as likely as this one
        scope.by_text.put(text, reading)
