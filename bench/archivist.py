"""CPU of the archivist's process for each event: archiving and indexing, apart from a gateway.

Run: `python bench/archivist.py [statements] [rounds] [directory]`. Makes a spool of statement pairs
(64 sessions, the gate's own payloads, `pgbench -S` texts with ever new literals), then archives it
with a checkpoint each second's worth and indexes it, each round from nothing. Prints the least CPU
µs per event of all rounds (a noisy machine only ever adds) for each stage.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.spool_builder import ORIGIN, T0_US, MemoryKeys, SpoolBuilder, session_id_of

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, WhereClause
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.gate.evidence import EvidenceWriter, outcome_counters, outcome_payload
from gatekeep.gate.ports import Judgement
from gatekeep.journal.archive import Archivist
from gatekeep.journal.chain import Chain, Place
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.sealing import RandomPool
from gatekeep.journal.unsealing import Unsealer
from gatekeep.stores.sqlite.index import open_index
from gatekeep.stores.sqlite.indexing import IndexFiller

SESSIONS = 64
STEP = 1024  # what piles up in 50 ms at 10,000 statements a second
CHECKPOINT = 20_480  # and in one second
INDEXED = 2_560  # and in 250 ms
SLICE = 8_192
_TEXT = "SELECT abalance FROM pgbench_accounts WHERE aid = %d;"
_SESSION = b'{"account":"app_rw","database":"bench","principal":"alice"}'
_REQUEST = (
    b'{"action":{"id":"sql.read","type":"Action"},"context":{"account":"app_rw","class":"read",'
    b'"columns":["abalance","aid"],"columns_complete":true,"database":"bench","functions":[],'
    b'"functions_complete":true,"hour":20,"mode":"simple","now":1763670000,"read_only":false,'
    b'"source":"127.0.0.1","statements":1,"tables_complete":true,"tables_read":'
    b'["pgbench_accounts","public.pgbench_accounts"],"tables_written":[],"tags":[],"target_tags":'
    b'["shop"],"verb":"select","weekday":"friday","where":"present"},"principal":'
    b'{"groups":["engineering"],"id":"alice","type":"Principal"},"resource":'
    b'{"id":"orders","type":"Target"}}'
)
_DECISION = b'{"policy":"0123456789ab","reason":"","rule":"engineers-read","rules":["engineers-read"],"verdict":"allow"}'
_ENVELOPE = b'{"decision":"allow","policy":"0123456789ab","rule":"engineers-read"}'


def build(journal: Path, statements: int) -> SpoolBuilder:
    """A spool of so many statements, in batches of 64 records."""
    spool = SpoolBuilder(journal, segment_bytes=64 << 20)
    pool, evidence = RandomPool(), EvidenceWriter()
    facts = (
        SqlFacts(
            SqlClass.READ, "select", "", "select abalance from pgbench_accounts where aid = ?",
            frozenset({"pgbench_accounts", "public.pgbench_accounts"}),
            columns=frozenset({"abalance", "aid"}), where=WhereClause.PRESENT,
        ),
    )  # fmt: skip
    judgement = Judgement(
        Decision(Verdict.ALLOW, "engineers-read", "", "0123456789ab"), _REQUEST, _DECISION, _ENVELOPE
    )
    chains = [_chain(spool, number, pool) for number in range(SESSIONS)]
    open_actions: list[int] = []
    draw = random.Random(7)
    for number in range(statements + SESSIONS):
        chain = chains[number % SESSIONS]
        if number >= SESSIONS:
            of = open_actions[number - SESSIONS]
            outcome = Outcome(OutcomeKind.DONE, "SELECT 1", 1, 64, 92, status="I")
            _append(spool, chain, EventKind.ACTION_FINISHED, outcome_payload(of, outcome, 950),
                    counters=outcome_counters(of, outcome))  # fmt: skip
        if number < statements:
            text = _TEXT % draw.randrange(1_000_000)
            action = SqlAction("simple", text, facts, text)
            payload = evidence.action(action, judgement, _SESSION)
            open_actions.append(
                _append(spool, chain, EventKind.ACTION_RELEASED, payload, decision=_ENVELOPE)
            )
        if len(spool.waiting) >= SESSIONS:
            spool.commit()
    spool.commit()
    return spool


def _chain(spool: SpoolBuilder, number: int, pool: RandomPool) -> Chain:
    session = session_id_of(number)
    key, extra = spool.ring.new_session_key(session, "alice", spool.keys)
    chain = Chain(Place("b" * 32, ORIGIN, session, "orders"), key, extra, pool)
    _append(spool, chain, EventKind.SESSION_OPENED, b'{"principal":"alice","account":"app_rw"}')
    return chain


def _append(
    spool: SpoolBuilder, chain: Chain, kind: EventKind, payload: bytes,
    *, decision: bytes = b"", counters: bytes = b"",
) -> int:  # fmt: skip
    n = spool.n + len(spool.waiting)
    record = chain.seal(n, kind, payload, decision, counters, (T0_US + n * 50, n * 50_000))
    spool.waiting.append(record)
    return n


def archive_and_index(
    spool: SpoolBuilder, keys: MemoryKeys, path: Path, found: dict[str, list[float]]
) -> None:
    """One round as the archivist's process works: archive, sign, index what was just archived."""
    used = dict.fromkeys(("archive: events taken", "archive: checkpoints", "index, right after"), 0.0)
    _remove(path)
    archivist = Archivist(spool.journal, spool.signer(), keys.put_session_key)
    connection = open_index(path, bytes(32))
    filler = IndexFiller(connection, Unsealer(spool.ring, keys))
    due, taken = CHECKPOINT, 1
    while taken:
        begin = time.process_time()
        taken = archivist.step(STEP)
        used["archive: events taken"] += time.process_time() - begin
        if not taken or archivist.size >= due:
            begin = time.process_time()
            archivist.sync_cursor()
            archivist.checkpoint()
            used["archive: checkpoints"] += time.process_time() - begin
            due += CHECKPOINT
        if not taken or archivist.size - filler.index_n >= INDEXED:
            begin = time.process_time()
            filler.add(archivist.recent(filler.index_n, archivist.size))
            used["index, right after"] += time.process_time() - begin
    assert filler.index_n == spool.n  # noqa: S101 - else less was measured than is said
    archivist.close()
    connection.close()
    for stage, seconds in used.items():
        found.setdefault(stage, []).append(seconds)


def reference() -> float:
    """CPU seconds of 100,000 SHA-256 of 1 KiB: how fast the machine is right now."""
    block = bytes(1024)
    begin = time.process_time()
    for _ in range(100_000):
        sha256(block).digest()
    return time.process_time() - begin


def _remove(path: Path) -> None:
    for old in path.parent.glob(path.name + "*"):
        old.unlink()


def index(spool: SpoolBuilder, keys: MemoryKeys, path: Path, slice_events: int) -> float:
    """CPU seconds for the index in slices of this size."""
    _remove(path)
    files = EventFiles(spool.journal)
    connection = open_index(path, bytes(32))
    filler = IndexFiller(connection, Unsealer(spool.ring, keys))
    begin = time.process_time()
    while filler.index_n < spool.n:
        end = min(spool.n, filler.index_n + slice_events)
        filler.add(files.events(filler.index_n, end))
    used = time.process_time() - begin
    connection.close()
    files.close()
    return used


def main() -> None:
    """Measure and print."""
    statements = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as name:
        where = Path(name)
        spool = build(where / "journal", statements)
        found: dict[str, list[float]] = {}
        ticks = []
        for _ in range(rounds):
            ticks.append(reference())
            shutil.rmtree(spool.journal / "log", ignore_errors=True)
            (spool.journal / "signed").unlink(missing_ok=True)
            keys = MemoryKeys(spool.keys.subjects)
            archive_and_index(spool, keys, where / "index.db", found)
            used = index(spool, keys, where / "index.db", SLICE)
            found.setdefault("index, from files", []).append(used)
        for stage, seconds in found.items():
            print(f"{stage:28} {min(seconds) / spool.n * 1e6:6.2f} µs CPU per event")
        print(f"beside it, one SHA-256 of 1 KiB: {min(ticks) * 10:.2f} µs")
        size = (where / "index.db").stat().st_size / spool.n
        print(f"{spool.n} events; index.db {size:.0f} bytes per event")


if __name__ == "__main__":
    main()
