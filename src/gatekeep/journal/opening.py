"""Opening a journal: lock, recovery, the writer, and the first events of this run.

The one place where the parts of the write side meet; settings and stores arrive as values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.journal.encoding import canonical_json
from gatekeep.journal.link import start_writer
from gatekeep.journal.live import DEADLINE_S, LiveJournal, OnDead, Sealing
from gatekeep.journal.recovery import Recovered, recover
from gatekeep.journal.segments import Sizes
from gatekeep.journal.spool import SpoolLock, prepare_spool

_STOPPED = "the gateway stopped without closing it"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a journal is opened with.

    `vkey` and `version` go into `log.genesis`. `floors` are event counts known to be durable and
    `scan_from` the first event not archived: see `recovery.recover`.
    """

    spool: Path
    vkey: str
    version: str
    floors: Mapping[str, int] = field(default_factory=dict)
    scan_from: int = 0
    sizes: Sizes = field(default_factory=Sizes)
    deadline_s: float = DEADLINE_S


async def open_journal(
    opening: Opening, sealing: Sealing, *, on_dead: OnDead | None = None
) -> tuple[LiveJournal, Recovered]:
    """A journal that is ready to append, with everything of an earlier run closed, durably.

    Raises EvidenceBroken (nothing was changed), or JournalUnavailable.
    """
    try:
        prepare_spool(opening.spool)
        lock = SpoolLock(opening.spool)
    except OSError as error:
        raise _cannot(error) from error
    try:
        try:
            recovered = recover(
                opening.spool,
                floors=opening.floors,
                scan_from=opening.scan_from,
                sizes=opening.sizes,
            )
        except OSError as error:
            raise _cannot(error) from error
        link = start_writer(opening.spool, lock, recovered.position, opening.sizes)
    except BaseException:
        lock.release()
        raise
    journal = LiveJournal(
        link,
        sealing,
        recovered.position,
        sizes=opening.sizes,
        on_dead=on_dead,
        deadline_s=opening.deadline_s,
    )
    try:
        await journal.ready()
        await begin_run(journal, recovered, opening, sealing.origin)
    except BaseException:
        await journal.close()
        raise
    return journal, recovered


async def begin_run(
    journal: LiveJournal, recovered: Recovered, opening: Opening, origin: str
) -> None:
    """Append the first events: `log.genesis` in a new log, else what recovery found."""
    if recovered.position.next_n == 0:
        genesis = {"origin": origin, "version": opening.version, "vkey": opening.vkey}
        last = journal.append(journal.system, EventKind.LOG_GENESIS, canonical_json(genesis))
    if recovered.torn_bytes:
        torn = canonical_json({"bytes": recovered.torn_bytes})
        last = journal.append(journal.system, EventKind.RECOVERY_TORN, torn)
    if recovered.position.next_n:
        last = journal.append(
            journal.system, EventKind.RECOVERY_DONE, _close_what_is_open(journal, recovered)
        )
    await last.durable()
    journal.begin_books()


def _close_what_is_open(journal: LiveJournal, recovered: Recovered) -> bytes:
    """Append the ends of what the last run left open; returns the payload of `recovery.done`."""
    opened = recovered.opened
    journal.adopt(opened)
    chains = {
        session_id: journal.resume_stream(session_id, session)
        for session_id, session in opened.sessions.items()
    }
    for of, session_id in sorted(opened.actions.items()):
        journal.append(
            chains.get(session_id, journal.system),
            EventKind.ACTION_UNKNOWN,
            canonical_json({"of": of, "cause": _STOPPED}),
            counters=b'{"of":%d}' % of,
        )
    for chain in chains.values():
        journal.append(chain, EventKind.SESSION_ABORTED, canonical_json({"reason": _STOPPED}))
    return canonical_json(
        {
            "from": recovered.position.next_n,
            "sessions_aborted": len(chains),
            "actions_unknown": len(opened.actions),
            "torn_bytes": recovered.torn_bytes,
        }
    )


def _cannot(error: OSError) -> JournalUnavailable:
    return JournalUnavailable(
        "the journal's directory cannot be written", cause=str(error), fatal=True
    )
