"""How long the feedback loop takes to read a journal of months, and how much memory.

Run: `python bench/loop_size.py --make DIR [events]` makes a sealed, archived, signed journal: 90 days,
40 persons in 5 groups, 16 targets; mostly allowed reads with their outcomes, 8 % of the actions asked
with votes and answers, some denied. `python bench/loop_size.py --measure DIR [events …]` verifies,
reads and gathers up to so many events of it (all of it unless told), then looks for suggestions and
proves each that could be proposed: a whole run of the loop, each in a process of its own. What was
denied of two commands is left out of it, because nothing that people denied is ever proposed, and
nothing would be proven.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.loop_events import DAY_US, T0_US, LoopStory
from support.loop_journal import Sealed
from support.loop_work import DOES, RULES, WRITES, Month

from gatekeep import loop_thinker
from gatekeep.domain.events import EventKind
from gatekeep.feedback.candidates import candidates
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.proof import prove
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_thinker import Place, Reading
from gatekeep.loop_witness import JournalWitness
from gatekeep.policy.loading import load

DAYS = 90
NOW_US = T0_US + DAYS * DAY_US
ASKING = """
@id("may-open") permit (principal, action == Action::"session.open", resource);
@id("may-read") permit (principal, action == Action::"sql.read", resource);
@id("ask-first") permit (principal, action == Action::"ssh.exec", resource)
when { context has approval && context.approval.groups.contains("leads") };
@id("ask-writes") permit (principal, action == Action::"sql.write", resource)
when { context has approval && context.approval.groups.contains("leads") };
@id("never") forbid (principal, action == Action::"sql.ddl", resource);
"""
STAFF = "staff"
MEMBERS = {"leads": frozenset(f"lead-{at}" for at in range(5))}
ROUTINE = (DOES[0], WRITES[0].split("=", maxsplit=1)[0])


def make(where: Path, events: int) -> None:
    """Make the journal."""
    sealed = Sealed(where / "journal")
    story = LoopStory(sealed)
    story.activated(main=RULES)
    month = Month(story)
    while sealed.spool.n < events - 2000:
        story.now_us = max(story.now_us, T0_US + sealed.spool.n * DAYS * DAY_US // events)
        month.session()
    while sealed.spool.n + len(sealed.spool.waiting) < events:
        story.event(EventKind.LOG_HEARTBEAT, b"{}")
    sealed.finish()
    keys = {
        kind: {name: value.hex() for name, value in kept.items()}
        for kind, kept in vars(sealed.spool.keys).items()
    }
    (where / "keys.json").write_text(json.dumps(keys | {"vkey": sealed.spool.vkey_text}))
    print(f"{sealed.spool.n} events, {story.sessions} sessions")


class Kept:
    """The wrapped keys of `make`."""

    def __init__(self, where: Path) -> None:
        kept = json.loads((where / "keys.json").read_text())
        self.vkey = str(kept["vkey"])
        self.subjects = {name: bytes.fromhex(value) for name, value in kept["subjects"].items()}
        self._by_id = {value[:16]: value for value in self.subjects.values()}
        self.sessions = {name: bytes.fromhex(value) for name, value in kept["sessions"].items()}

    def subject_key(self, person: str) -> bytes | None:
        """As WrappedKeys."""
        return self.subjects.get(person)

    def subject_key_by_id(self, key_id: bytes) -> bytes | None:
        """As WrappedKeys."""
        return self._by_id.get(key_id)

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        """Never."""
        raise AssertionError(person, wrapped)

    def session_key(self, session_id: str) -> bytes | None:
        """As WrappedKeys."""
        return self.sessions.get(session_id)

    def put_session_key(self, session_id: str, wrapped: bytes) -> None:
        """Never."""
        raise AssertionError(session_id, wrapped)


def in_staff(deed: Deed) -> Deed:
    """The same of somebody in a group that all are in, in a named database: else none is suggested."""
    who, place = deed.request["principal"], deed.where
    request = {**deed.request, "principal": {**who, "groups": [*who["groups"], STAFF]}}
    where = replace(place, groups=place.groups | {STAFF})
    if "statements" in request:
        request["database"] = "shop"
        where = replace(where, database="shop")
    return replace(deed, where=where, request=request)


def staffed(evidence: Evidence) -> Evidence:
    """The same as if all were in one group, and nobody had denied what is routine."""
    kept = [
        in_staff(one)
        for one in evidence.deeds
        if one.answer is not Answer.DENIED or not one.text.startswith(ROUTINE)
        if one.cause != "policy" or not one.text.startswith(ROUTINE)
    ]
    return replace(evidence, deeds=kept)


def read_staffed(place: Place, now_us: int) -> Reading:
    """In the loop's process: what it thinks of from here on is that."""
    read = loop_thinker.read(place, now_us)
    thinker = loop_thinker._kept[place]  # noqa: SLF001 - it offers nobody to change what was read
    thinker._evidence = staffed(thinker.evidence)  # noqa: SLF001 - likewise
    return read


def think(evidence: Evidence) -> None:
    """What the run does with what was read."""
    evidence = staffed(evidence)
    version = load({"main.cedar": ASKING})
    begin, cpu = time.perf_counter(), time.process_time()
    found = candidates(evidence, version, NOW_US)
    print(
        f"          candidates: {len(found)} in {time.perf_counter() - begin:.1f} s"
        f" ({time.process_time() - cpu:.1f} s CPU), {sum(one.safe for one in found)} to prove"
    )
    for one in found:
        if one.safe and one.kind.writes_rule:
            begin, cpu = time.perf_counter(), time.process_time()
            proven = prove(one, evidence, version, MEMBERS, NOW_US)
            backtest = proven.backtest
            print(
                f"          {one.id} {one.kind}: proven in {time.perf_counter() - begin:.1f} s"
                f" ({time.process_time() - cpu:.1f} s CPU), safe {proven.safe},"
                f" {backtest.replayed if backtest else 0:,} replayed"
            )


def gather(where: Path, events: int) -> None:
    """One reading of it from nothing, and one more of nothing new; then the rest of a run."""
    kept = Kept(where)
    ring = KeyRing(bytes(range(32)))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unsealer = Unsealer(ring, kept)
    witness = JournalWitness(where / "journal", unsealer, [kept.vkey], most_n=events)
    begin, cpu = time.perf_counter(), time.process_time()
    evidence = witness.read(NOW_US)
    took, used = time.perf_counter() - begin, time.process_time() - cpu
    begin = time.perf_counter()
    witness.read(NOW_US)
    again = time.perf_counter() - begin
    witness.close()
    think(evidence)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    other = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{evidence.next_n:>9,} events: {took:5.1f} s ({used:.1f} s CPU here, {other.ru_utime:.1f} s there),"
        f" again {again:.2f} s; {peak:.0f} MiB here ({base / 1024:.0f} before), {other.ru_maxrss / 1024:.0f} MiB"
        f" there; {len(evidence.deeds):,} deeds, {len(evidence.passed):,} things that passed;"
        f" verified {evidence.verified} {evidence.unverified}"
    )


def main() -> None:
    """Make or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--gather", type=Path, help="one measurement, in this process")
    parser.add_argument("events", type=int, nargs="*")
    chosen = parser.parse_args()
    if chosen.make:
        make(chosen.make, (chosen.events or [1_000_000])[0])
    elif chosen.gather:
        gather(chosen.gather, (chosen.events or [0])[0])
    else:
        for events in chosen.events or [0]:
            command = [sys.executable, __file__, "--gather", str(chosen.measure), str(events)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
