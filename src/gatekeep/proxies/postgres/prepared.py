"""What a prepared statement was read as when the target read it: facts may not turn later.

A target reads a statement at its Parse and not again while search_path stays the same, even if a
table was made since that stands before the old one in that path. What the text means by now would
then be another table than the one that is met. Decides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatekeep.domain.actions import SqlFacts
from gatekeep.protocols.postgres import conversation as talk
from gatekeep.protocols.postgres.statements import Statement
from gatekeep.proxies.postgres.reading import OPAQUE, Reading, Scope, StatementReader

Read = tuple[talk.Execution, Scope, Reading]


async def read_segment(
    reader: StatementReader,
    conversation: talk.Conversation,
    segment: talk.Segment,
    scope: Callable[[], Scope],
) -> list[Read]:
    """One reading an execution, in order; and each Parse of the segment remembers its own.

    `scope` gives what statements are read under now. A statement that was parsed in an earlier
    segment and would be read otherwise by now is opaque.
    """
    new = [owner for owner in segment.owners if isinstance(owner, Statement)]
    found: list[Read] = []
    for execution in segment.executions:
        under = scope()
        reading = await _reading(reader, under, execution.text)
        if reading.takes and not execution.unknown_source:
            behind = {taken: conversation.source(taken) for taken in reading.takes}
            reading = await reader.read(under, execution.text, behind)
        statement = execution.prepared
        if (
            statement is not None
            and not any(one is statement for one in new)
            and not _means_the_same(statement, under, reading.facts)
        ):
            reading = Reading(OPAQUE, reading.redacted)
        found.append((execution, under, reading))
    for statement in new:
        if statement.text is not None:
            under = scope()
            facts = (await _reading(reader, under, statement.text)).facts
            statement.read_as = (under.vector.search_path, facts)
    return found


async def _reading(reader: StatementReader, scope: Scope, text: str) -> Reading:
    return reader.known(scope, text) or await reader.read(scope, text)


def _means_the_same(statement: Statement, scope: Scope, facts: Sequence[SqlFacts]) -> bool:
    """Whether the target meets what the text means now.

    Under another search_path the target reads it anew, so it does. Sets that may lack members
    need no comparison: rules take them to hold anything.
    """
    if statement.read_as is None:
        return False
    path, then = statement.read_as
    if path != scope.vector.search_path or then is facts:
        return True
    if len(then) != len(facts):
        return False
    return all(
        not now.tables_complete
        or (
            was.tables_read == now.tables_read
            and was.tables_written == now.tables_written
            and was.functions == now.functions
        )
        for was, now in zip(then, facts, strict=True)
    )
