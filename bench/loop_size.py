"""How long the feedback loop takes to read a journal of months, and how much memory.

Run: `python bench/loop_size.py --make DIR [events]` makes a sealed, archived, signed journal: 90 days,
40 persons in 5 groups, 16 targets; mostly allowed reads with their outcomes, 8 % of the actions asked
with votes and answers, some denied. `python bench/loop_size.py --measure DIR [events …]` verifies,
reads and gathers up to so many events of it (all of it unless told), each in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.loop_events import DAY_US, SYSTEM, T0_US, Ask, LoopStory, command, person, statement
from support.spool_builder import ORIGIN, SpoolBuilder

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import RequestState
from gatekeep.domain.commands import SshAction
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.journal.chain import Chain, Place
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.sealing import RandomPool
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_witness import JournalWitness
from gatekeep.runtime.clock import Clock

DAYS = 90
BATCH = 64
STEP = 20_000
GROUPS = ("sre", "dba", "developers", "analysts", "support")
RULES = "\n".join(
    f'@id("{name}") permit (principal, action, resource);'
    for name in ("may-open", "may-read", "ask-first", "ask-writes", "never")
)
READS = (
    "select * from orders where id = {}",
    "select id, state, total from orders where customer_id = {} order by id desc limit 20",
    "select count(*) from orders where state = 'open' and id > {}",
    "select o.id, c.name from orders o join customers c on c.id = o.customer_id where o.id = {}",
    "select * from customers where email = 'someone-{}@example.org'",
)
WRITES = (
    "update orders set state = 'open' where id = {}",
    "update orders set note = 'called back' where id = {}",
    "delete from sessions where customer_id = {}",
)
LOOKS = (
    "uptime", "df -h", "systemctl status nginx", "journalctl -u nginx -n {}", "tail -n {} /var/log/app/app.log",
)
DOES = ("systemctl restart nginx", "systemctl restart php-fpm", "kill -9 {}", "systemctl reload haproxy")  # fmt: skip


class Sealed:
    """Takes the events of a story and writes them as the gateway does."""

    def __init__(self, journal: Path) -> None:
        self.spool = SpoolBuilder(journal, segment_bytes=64 << 20)
        self._pool = RandomPool()
        self._chains: dict[str, Chain] = {}
        self._archivist = self.spool.archivist()
        self._due = STEP

    def __call__(  # noqa: PLR0913, PLR0917 - as Append
        self, session: str, target: str, kind: EventKind, payload: bytes, decision: bytes,
        counters: bytes, at_us: int,
    ) -> int:
        """Seal one event."""
        spool = self.spool
        n = spool.n + len(spool.waiting)
        chain = self._chains.get(session) or self._begin(session, target)
        if kind is EventKind.SESSION_CLOSED:
            counters = b'{"count":%d,"head":"%b"}' % (chain.q, chain.previous)
            del self._chains[session]
        record = chain.seal(n, kind, payload, decision, counters, (at_us, n * 1000))
        spool.waiting.append(record)
        if len(spool.waiting) >= BATCH:
            spool.commit()
        if spool.n >= self._due:
            self._due += STEP
            self.archive()
        return n

    def archive(self) -> None:
        """As the archivist's process does."""
        while self._archivist.step(2048):
            pass
        self._archivist.sync_cursor()
        self._archivist.checkpoint()

    def finish(self) -> None:
        """The last batch, archived and signed twice as at an end."""
        self.spool.commit()
        self.archive()
        self._archivist.checkpoint()
        self._archivist.close()

    def _begin(self, session: str, target: str) -> Chain:
        spool = self.spool
        owner = "gatekeep" if session == SYSTEM else f"person-{int(session, 16) % 40}"
        key, extra = spool.ring.new_session_key(session, owner, spool.keys)
        place = Place("b" * 32, ORIGIN, session, target)
        chain = self._chains[session] = Chain(place, key, extra, self._pool)
        return chain


class Month:
    """Draws what people do."""

    def __init__(self, story: LoopStory) -> None:
        self._story = story
        self._draw = random.Random(7)
        self._people = [person(f"p{at}", GROUPS[at % 5]) for at in range(40)]
        self._shops = [
            Target(f"db-{at}", TargetKind.POSTGRES, "127.0.0.1", 5432, "shop", environment="prod")
            for at in range(6)
        ]
        self._hosts = [
            Target(f"web-{at}", TargetKind.SSH, "127.0.0.1", 22, environment="prod",
                   labels=frozenset({"role=web"}))
            for at in range(10)
        ]  # fmt: skip
        self._asked = 0

    def session(self) -> None:
        """One session of about fifty actions."""
        who = self._draw.choice(self._people)
        ssh = self._draw.random() < 0.4
        target = self._draw.choice(self._hosts if ssh else self._shops)
        session = self._story.opened(who, target)
        for _ in range(self._draw.randrange(10, 90)):
            self._act(who, target, session, ssh=ssh)
        self._story.closed(session, target)

    def _act(self, who: Principal, target: Target, session: str, *, ssh: bool) -> None:
        chance = self._draw.random()
        if chance < 0.91:
            action = self._action(LOOKS if ssh else READS, ssh=ssh)
            failed = self._draw.random() < 0.02
            self._story.passes(who, target, action, session=session, failed=failed)
        elif chance < 0.99:
            self._asked += 1
            ask = Ask(
                f"{self._asked % 1_000_000:06d}", (f"p{self._draw.randrange(40)}",),
                self._draw.uniform(5, 600),
                RequestState.DENIED if self._draw.random() < 0.03 else RequestState.APPROVED,
            )  # fmt: skip
            action = self._action(DOES if ssh else WRITES, ssh=ssh)
            rule = "ask-first" if ssh else "ask-writes"
            self._story.asks(who, target, action, ask, session=session, rule=rule)
        else:
            self._story.denied(who, target, self._action(DOES if ssh else WRITES, ssh=ssh), session=session)

    def _action(self, texts: tuple[str, ...], *, ssh: bool) -> SqlAction | SshAction:
        text = self._draw.choice(texts)
        number = self._draw.randrange(60) if ssh else self._draw.randrange(1_000_000)
        if ssh:
            return command(text.format(number))
        return statement(text.format(1))._replace(text=text.format(number), redacted=text.format(number))


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


class FixedClock(Clock):
    """The end of the days that were made."""

    def wall_us(self) -> int:
        """Ninety days later."""
        return T0_US + DAYS * DAY_US

    def monotonic_ns(self) -> int:
        """Nobody asks."""
        return 0


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


async def gather(where: Path, events: int) -> None:
    """One reading of it from nothing, and one more of nothing new."""
    kept = Kept(where)
    ring = KeyRing(bytes(range(32)))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unsealer = Unsealer(ring, kept)
    witness = JournalWitness(where / "journal", unsealer, [kept.vkey], FixedClock(), most_n=events)
    begin, cpu = time.perf_counter(), time.process_time()
    evidence = await witness.read()
    took, used = time.perf_counter() - begin, time.process_time() - cpu
    begin = time.perf_counter()
    await witness.read()
    again = time.perf_counter() - begin
    await witness.close()
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
        asyncio.run(gather(chosen.gather, (chosen.events or [0])[0]))
    else:
        for events in chosen.events or [0]:
            command = [sys.executable, __file__, "--gather", str(chosen.measure), str(events)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
