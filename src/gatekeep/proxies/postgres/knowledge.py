"""What a session knows of how its statements are read, and of what they may have changed since.

Turns executions into actions for the gate, and keeps in mind what was forwarded. Decides nothing,
sends nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gatekeep.domain.actions import BoundValue, SqlAction, SqlClass, SqlFacts
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.gate.fitness import TOO_LARGE, UNSYNCED_CALL
from gatekeep.gate.sight_ports import Standing
from gatekeep.messages import sight as words
from gatekeep.protocols.postgres import conversation as talk
from gatekeep.protocols.postgres.values import as_secrets, bound_values
from gatekeep.protocols.sql.below_proof import Below
from gatekeep.protocols.sql.digest import looks_secret
from gatekeep.protocols.sql.reading import ending_changes
from gatekeep.proxies.postgres.effects import (
    PutOff,
    defers,
    leaves_all_alone,
    may_change_schema,
    taints,
    turns_what_follows,
)
from gatekeep.proxies.postgres.prepared import Read, read_segment
from gatekeep.proxies.postgres.reading import OPAQUE, Scope, StatementReader


class Knowledge:
    """One session's: it holds for the transaction that is open, unless said otherwise."""

    def __init__(self, session: Session, reader: StatementReader) -> None:
        self._session = session
        self._reader = reader
        self._tainted = False  # code ran whose effects no look-up can see yet
        self._schema_changed = False  # and it may have changed what the next look-up finds
        self._put_off = PutOff()
        self._turned = False  # a setting was chosen that code may read; for the whole session
        self._had_put_off = False  # before the segment that was read last
        self._unsettled = False  # something changed, or may have, how statements are read
        self._sent: dict[int, tuple[SqlFacts, ...]] = {}  # in the open transaction, by shape
        self._transactions = 0
        self._reading_under: Scope | None = None
        self._under_vector: SessionVector | None = None

    async def read(self, conversation: talk.Conversation, segment: talk.Segment) -> list[Read]:
        """What the executions of a segment mean now, in order."""
        self._had_put_off = self._put_off.any
        return await read_segment(
            self._reader, conversation, segment, lambda: self._scope(conversation.vector)
        )

    async def read_again(
        self, conversation: talk.Conversation, segment: talk.Segment
    ) -> list[tuple[SqlFacts, ...]]:
        """The facts of a segment that was read before, and waited, as they are now."""
        return [
            reading.facts
            for _execution, _scope, reading in await read_segment(
                self._reader, conversation, segment, lambda: self._scope(conversation.vector)
            )
        ]

    def _scope(self, vector: SessionVector | None) -> Scope:
        """Under what statements are read now; found anew only when that has changed."""
        provable = not self._tainted
        scope = self._reading_under
        if scope is None or vector is not self._under_vector or scope.provable is not provable:
            scope = self._reader.scope(self._session, vector, provable=provable)
            self._reading_under = scope
            self._under_vector = vector
        return scope

    def action(self, read: Read, transaction_status: str) -> SqlAction:
        """An execution as the gate judges it."""
        execution, scope, reading = read
        tags: frozenset[str] = frozenset() if execution.forced is None else LARGE
        if execution.call is not None:
            reading = self._reader.called(scope, execution.call.oid)
            facts = reading.facts
            tags = UNSYNCED if execution.call.unsynced else tags
        else:
            facts = OPAQUE if execution.unknown_source else reading.facts
        values: tuple[BoundValue, ...] = ()
        if execution.values:
            oids, formats = execution.parameter_oids, execution.parameter_formats
            facts = self._reader.bound(scope, facts, oids)
            values = bound_values(execution.values, oids, formats)
            if looks_secret(execution.text):
                values = as_secrets(values)
        if self._unsettled:
            facts = ending_changes(facts)
        facts = self._put_off.told(facts, failed=transaction_status == "E")
        return SqlAction(
            execution.mode,
            execution.text,
            facts,
            reading.redacted,
            values,
            execution.statement_name,
            execution.portal_name,
            tags,
        )

    def untouched(self, vector: SessionVector | None) -> bool:
        """Whether nothing has changed how statements are read, or what they do, since it began.

        False, too, while the open transaction holds what no look-up of the catalogue can see.
        """
        changed = self._turned or self._tainted or self._schema_changed or self._unsettled
        return not changed and self._reader.untouched(self._session, vector)

    async def standing(
        self, conversation: talk.Conversation, action: SqlAction, target_pid: int
    ) -> Standing:
        """How the session stands while this action of its is held, for the approver's sight."""
        vector = conversation.vector
        generic = bool(action.parameters)
        below, epoch = Below(broken=words.NOT_UNDERSTOOD), ""
        if vector is not None and not any(f.sql_class is SqlClass.OPAQUE for f in action.facts):
            scope = self._scope(vector)
            below, epoch = await self._reader.below(scope, action.text, parameters=generic)
        return Standing(
            vector=vector,
            open_changes=self._tainted,
            target_pid=target_pid,
            plan=below.plan,
            unproven=below.broken,
            generic=generic,
            epoch=epoch,
            table=below.table,
        )

    def only(self, actions: list[SqlAction]) -> list[SqlAction]:
        """Of the segment read last these alone go out; the rest is to be read anew."""
        self._put_off.any = self._had_put_off or any(
            defers(fact) for action in actions for fact in action.facts
        )
        return actions

    def goes_out(self, action: SqlAction, *, vector_safe: bool) -> None:
        """Keep in mind what an action that is forwarded may do to what is known."""
        self._turned = self._turned or turns_what_follows(action)
        if len(self._sent) < _MOST_KEPT:
            self._sent[id(action.facts)] = action.facts
        if leaves_all_alone(action, vector_safe=vector_safe):
            return
        self._unsettled = True
        self._tainted = self._tainted or taints(action)
        if not self._schema_changed and may_change_schema(action):
            self._schema_changed = True
            self._reader.schema_may_change(self._session)

    def transaction_over(self) -> None:
        """No transaction is open: what it held can be looked up, or never was."""
        self._sent.clear()
        self._transactions += 1
        self._put_off.any = self._unsettled = self._tainted = False
        self.session_over()

    def transaction(self, status: str) -> str:
        """Which transaction is open, and whether anything but reads ran in it."""
        if status == "I":
            return "none"
        changed = len(self._sent) >= _MOST_KEPT or any(
            fact.sql_class is not SqlClass.READ and not fact.transaction
            for facts in self._sent.values()
            for fact in facts
        )
        return f"{status} {self._transactions}{' changed' if changed else ''}"

    @property
    def ran(self) -> bool:
        """Whether anything was forwarded in the open transaction."""
        return bool(self._sent)

    @property
    def tables_touched(self) -> int:
        """How many tables the open transaction names so far: it holds a lock on each."""
        names = {
            name
            for facts in self._sent.values()
            for fact in facts
            for name in fact.tables_read | fact.tables_written
        }
        return len(canonical(names))

    def session_over(self) -> None:
        """What was forwarded may have taken effect unseen."""
        if self._schema_changed:
            self._schema_changed = False
            self._reader.schema_changed(self._session)


def canonical(tables: Collection[str]) -> list[str]:
    """Names with their schema, where the same table also stands as it was written."""
    known = {name.rpartition(".")[2] for name in tables if "." in name}
    return [name for name in tables if "." in name or name not in known]


_MOST_KEPT: Final = 1000
LARGE: Final = frozenset({TOO_LARGE})
UNSYNCED: Final = frozenset({UNSYNCED_CALL})
