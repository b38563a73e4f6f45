"""Where a text is read: here, on a thread, or in a process of its own, by its size.

Nobody else is to wait for a large one, and one that its parser cannot survive is one opaque
statement (12-threats C4). Decides nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, TypeAlias

import structlog

from gatekeep.domain.actions import Naming, SqlFacts
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.messages import sight as words
from gatekeep.protocols.sql.below_proof import Below, read_below
from gatekeep.protocols.sql.guard import MAX_BYTES, MEDIUM, SMALL
from gatekeep.protocols.sql.reading import read_statements, unread
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.work_process import Kept, WorkLost, WorkProcess

_log = structlog.get_logger(__name__)

TextsBehind: TypeAlias = Mapping[Naming, str | None]
"""The texts behind names of a session; None where it is not known."""

PROCESSES: Final = 2
_NAMES: Final = tuple(one.name for one in fields(SqlFacts))


class Parser:
    """Reads texts for every session. Without processes the largest, too, go to a thread."""

    def __init__(self, offload: Offload, processes: Sequence[WorkProcess] = ()) -> None:
        self._offload = offload
        self._processes = processes

    async def read(
        self,
        session: Session,
        vector: SessionVector,
        text: str,
        view: CatalogueView | None,
        behind: TextsBehind | None,
    ) -> tuple[SqlFacts, ...]:
        """The facts of a text under this vector and catalogue view."""
        sizes = [len(text), *(len(one) for one in (behind or {}).values() if one)]
        trusted = session.target.trusted_code
        if max(sizes) <= SMALL:
            return _facts(text, view, vector, trusted, behind)
        # What is over the limit is not parsed but hashed, which holds nobody up.
        if not self._processes or not any(MEDIUM < size <= MAX_BYTES for size in sizes):
            work = functools.partial(_facts, text, view, vector, trusted, behind)
            return await self._offload.run(work)
        where = f"{session.target.name}/{session.database}/{session.account}"
        kept = None if view is None else Kept(f"{where}/{view.epoch}", view)
        process = min(self._processes, key=lambda one: one.waiting)
        try:
            told = await process.run(_told, text, kept, vector, trusted, behind)
        except WorkLost as lost:
            _log.error("reading a statement failed", sizes=sizes, cause=str(lost))
            return unread(text, "its parser died")
        return tuple(SqlFacts(*values) for values in told)

    async def below(
        self,
        session: Session,
        vector: SessionVector,
        text: str,
        view: CatalogueView | None,
        *,
        parameters: bool,
    ) -> Below:
        """Whether a held text may be planned; asked once for each hold, never on the way."""
        if len(text) > MEDIUM:
            return Below(broken=words.TOO_LONG)
        work = functools.partial(
            read_below, text, catalogue=view, vector=vector,
            trusted_code=session.target.trusted_code, parameters=parameters,
        )  # fmt: skip
        return work() if len(text) <= SMALL else await self._offload.run(work)


def _told(
    text: str,
    view: CatalogueView | None,
    vector: SessionVector,
    trusted_code: frozenset[str],
    behind: TextsBehind | None,
) -> list[tuple[Any, ...]]:
    """The facts as plain values: a frozen class that is compiled cannot be pickled."""
    facts = _facts(text, view, vector, trusted_code, behind)
    return [tuple(getattr(one, name) for name in _NAMES) for one in facts]


def _facts(
    text: str,
    view: CatalogueView | None,
    vector: SessionVector,
    trusted_code: frozenset[str],
    behind: TextsBehind | None,
) -> tuple[SqlFacts, ...]:
    return read_statements(
        text,
        catalogue=view,
        vector=vector,
        trusted_code=trusted_code,
        sources=behind.get if behind is not None else None,
    )
